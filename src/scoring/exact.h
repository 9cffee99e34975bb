// Exact effects of edges, by running the model without each (method.md §2, `exact`).
#pragma once

#include <vector>

#include "scoring/scorer.h"

namespace circuit {

struct ExactEffects {
  std::vector<double> effects;  // M(clean) − M(edge ablated), mean over the examples, one per edge asked for
  double metric = 0;            // mean M(clean)
  double rounding = 0;          // of an effect: metric_rounding
};
// Ascending edges are fastest. Costs one run from the edge's layer up per edge and batch.
ExactEffects exact_effects(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                           const ScoreSpec& spec, const std::vector<int64_t>& edges, const ProgressCallback& progress);

}  // namespace circuit
