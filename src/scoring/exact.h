// Exact effects of edges, by running the model without each (method.md §2, `exact`).
#pragma once

#include <vector>

#include "scoring/scorer.h"

namespace circuit {

// M(clean) − M(edge ablated) of each edge given (ascending is fastest), mean over the examples. metric: mean
// M(clean), unless null. Costs one run from the edge's layer up per edge and batch.
std::vector<double> exact_effects(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                                  const ScoreSpec& spec, const std::vector<int64_t>& edges,
                                  const ProgressCallback& progress, double* metric);

}  // namespace circuit
