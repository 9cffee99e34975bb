#include "scoring/scorer.h"

#include "core/names.h"

namespace circuit {

#define CIRCUIT_MADE(name) name(),
const std::vector<Scorer>& scorers() {
  static const std::vector<Scorer> all{CIRCUIT_SCORERS(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

const Scorer& find_scorer(const std::string& name) { return find_named(scorers(), "method", name); }

std::shared_ptr<const AblatedOutputs> ablated_outputs(const Model& model, const Graph& graph,
                                                      const std::vector<const Example*>& examples,
                                                      const ScoreSpec& spec) {
  if (spec.ablated) return spec.ablated;
  const auto& reference = spec.ablation_reference == nullptr ? examples : *spec.ablation_reference;
  return spec.ablation->prepare(model, reference, spec.batch, mlp_form(graph));
}

Positions parse_positions(const std::string& name) {
  if (name == "all") return Positions::kAll;
  if (name == "readout") return Positions::kReadout;
  throw UsageError(fmt::format("[positions] '{}' is not known. Known: all, readout.", name));
}

const char* positions_name(Positions positions) { return positions == Positions::kAll ? "all" : "readout"; }

}  // namespace circuit
