// LoRA (arXiv 2106.09685), of whole linear layers or of what the first circuit owns.
#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/table.h"
#include "tuning/adapter_files.h"
#include "tuning/lora_store.h"
#include "tuning/method.h"

namespace circuit {
namespace {

const Parameter<int64_t> kRank("rank", 8, "Rank of the adapters.", 1, 1e6);
const Parameter<double> kAlpha("alpha", 16, "Adapters count alpha / rank times; above 0.", 0, 1e6,
                               Setting::Ends::kLowExcluded);
const Parameter<std::vector<std::string>> kTargets(
    "targets", {"all-linear"},
    "Linear layers by the last part of their name, as PEFT's target_modules; or all-linear.");
const Parameter<bool> kCircuit(
    "circuit", false, "Adapt only what the first circuit's heads and MLPs own (or what selection.slices chooses).");

const Parameter<bool> kRankByScore("rank_by_score", false,
                                   "With lora.circuit: ranks in proportion to the |scores| of the circuit's edges that "
                                   "a layer carries, at least 1, with "
                                   "about as many parameters in all as lora.rank everywhere.",
                                   0, -1, Setting::Ends::kIncluded, "0.3");

constexpr const char* kName = "lora";

const Parameters& own(const TuningSettings& tuning) { return tuning.own_of(kName); }

// Of a side of a layer, how much an adapter reaches.
int64_t reached(const std::vector<bool>& reach, int64_t all) {
  return reach.empty() ? all : static_cast<int64_t>(std::count(reach.begin(), reach.end(), true));
}

// Of what the first circuit owns, or of as much that is chosen in its place.
AdapterReaches reach_of_circuit(const MethodInput& input, const Circuit& circuit) {
  std::vector<int64_t> ids = input.table.of_circuit(circuit, SlicePolicy());
  if (input.choice != nullptr) {
    if (input.choice->reads_gradients())
      fail("selection.slices", "adapters are made before there is a gradient: choose by another reason.");
    const CircuitNodes every{std::vector<bool>(input.graph.n_upstream(), true),
                             std::vector<bool>(input.graph.n_downstream(), true)};
    Rng rng = Rng(static_cast<uint64_t>(input.tuning.batches.seed)).split("selection 0").split("slices");
    ids = input.choice->choose({input.table, ids, input.table.of_nodes(every, SlicePolicy()), SliceEvidence()}, rng);
  }
  std::vector<Slice> slices;
  for (const int64_t id : ids) slices.push_back(input.table[id]);
  return reach_of(input.model, slices);
}

// Of every layer that the circuit reaches: |scores| of the edges that write or read through it.
std::map<std::string, int64_t> ranks_by_score(const MethodInput& input, const ScoredCircuit& first,
                                              const AdapterReaches& reaches, const LoraSpec& spec) {
  if (input.choice != nullptr)
    fail("lora.rank_by_score", "scores are of the circuit's own slices: leave selection.slices at circuit.");
  std::map<std::string, RankedLayer> layers;
  for (const LinearLayer& layer : linear_layers(input.model, spec.targets)) {
    const auto reach = reaches.find(layer.tensor);
    if (reach == reaches.end()) continue;
    const int64_t in = reached(reach->second.inputs, layer.inputs);
    const int64_t out = reached(reach->second.outputs, layer.outputs);
    layers[layer.tensor] = {0, in + out, std::min(in, out)};
  }
  for (const int64_t edge : first.circuit.edges) {
    std::set<std::string> tensors;
    for (const int64_t id : input.table.of_circuit({{edge}}, SlicePolicy())) tensors.insert(input.table[id].tensor);
    for (const std::string& tensor : tensors) {
      const auto layer = layers.find(tensor);
      if (layer != layers.end()) layer->second.weight += std::fabs(first.scores.values[edge]);
    }
  }
  return ranks_by_weight(layers, spec.rank);
}

LoraSpec spec_of(const TuningSettings& tuning) {
  LoraSpec spec;
  spec.rank = kRank.of(own(tuning));
  spec.alpha = kAlpha.of(own(tuning));
  spec.targets = kTargets.of(own(tuning));
  spec.seed = static_cast<uint64_t>(tuning.batches.seed);
  return spec;
}

class Adapters : public Trained {
 public:
  Adapters(const MethodInput& input, const LoraSpec& spec, const AdapterReaches* reaches)
      : model_(input.model), store_(model_, spec, reaches) {}
  ParameterStore& store() override { return store_; }
  std::unique_ptr<Trainer> trainer(TunerSpec spec) override {
    return std::make_unique<Trainer>(model_, store_, std::move(spec));
  }
  int64_t write_adapters(const std::string& base, const std::string& folder) const override {
    write_adapter(store_, model_, base, folder);
    return static_cast<int64_t>(store_.adapters().size());
  }

 private:
  Model& model_;
  LoraStore store_;
};

class LoraMethod : public TuningMethod {
 public:
  const char* name() const override { return kName; }
  const char* help() const override { return "adapters"; }
  ParameterList parameters() const override { return {&kRank, &kAlpha, &kTargets, &kCircuit, &kRankByScore}; }

  bool needs_first_circuit(const TuningSettings& tuning) const override {
    return is_made_of_first_circuit(tuning) || tuning.match_parameters;
  }
  bool is_made_of_first_circuit(const TuningSettings& tuning) const override { return kCircuit.of(own(tuning)); }

  void match(const MethodInput& input, const Circuit& first, const std::vector<int64_t>& slices,
             TuningSettings* settings) const override {
    if (!settings->match_parameters) return;
    const int64_t target = input.table.parameters(slices);
    const bool restricted = is_made_of_first_circuit(*settings);
    const AdapterReaches reaches = restricted ? reach_of_circuit(input, first) : AdapterReaches();
    const int64_t per_rank =
        LoraStore::parameters_per_rank(input.model, kTargets.of(own(*settings)), restricted ? &reaches : nullptr);
    if (per_rank == 0) fail("lora.circuit", "none of lora.targets is in the first circuit: there is no rank to match.");
    const auto rank = std::max<int64_t>(1, std::llround(static_cast<double>(target) / static_cast<double>(per_rank)));
    Parameters& values = settings->own[kName];
    const double scale = kAlpha.of(values) / static_cast<double>(kRank.of(values));
    kRank.set(&values, rank);
    kAlpha.set(&values, scale * static_cast<double>(rank));
    settings->match_parameters = false;
    log_info("lora: rank {} has {} parameters; the circuit's slices {}.", rank, with_commas(rank * per_rank),
             with_commas(target));
  }

  std::unique_ptr<Trained> make(const MethodInput& input, const ScoredCircuit* first) const override {
    LoraSpec spec = spec_of(input.tuning);
    const bool by_score = kRankByScore.of(own(input.tuning));
    if (first == nullptr) {
      if (by_score) fail("lora.rank_by_score", "ranks follow a circuit's scores: set lora.circuit too.");
      return std::make_unique<Adapters>(input, spec, nullptr);
    }
    const AdapterReaches reaches = reach_of_circuit(input, first->circuit);
    if (by_score) spec.ranks = ranks_by_score(input, *first, reaches, spec);
    return std::make_unique<Adapters>(input, spec, &reaches);
  }

  bool trains_slices() const override { return false; }
  // In float32 throughout, beside the weights it adapts.
  int64_t gradient_bytes(const StateShape& s, const TuningSettings&) const override { return s.trained * 4; }
  int64_t state_bytes(const StateShape& s) const override { return s.held * (4 * s.states + 4) + s.weights; }
};

}  // namespace

const TuningMethod& lora_method() {
  static const LoraMethod method;
  return method;
}

}  // namespace circuit
