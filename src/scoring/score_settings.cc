#include "scoring/score_settings.h"

namespace circuit {

void ScoreSettings::declare(Settings* s) {
  std::vector<std::pair<const char*, const Ablation*>> known;
  for (const Ablation& a : ablations()) known.emplace_back(a.name.c_str(), &a);
  s->add("method", &method, "Edge scores.").one_of(choices_of(scorers()));
  s->add("metric", &metric, "Metric whose gradient scores the edges.").one_of(choices_of(metrics()));
  s->add("ablation", &ablation, known, "What replaces an ablated output.");
  declare_parameters(scorers(), s, &own);
  s->add("positions", &positions, {{"all", Positions::kAll}, {"readout", Positions::kReadout}},
         "Positions a score sums over.");
}

ScoreSpec ScoreSettings::spec() const {
  ScoreSpec spec(find_metric(metric));
  spec.ablation = ablation;
  spec.own = own;
  spec.positions = positions;
  return spec;
}

}  // namespace circuit
