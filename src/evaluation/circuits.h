// The model run with the edges of circuits alone (method.md §6): what each does on every example.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "scoring/scorer.h"

namespace circuit {

// Per example, in order.
struct CircuitOutcome {
  std::vector<double> metric;    // M_i
  std::vector<double> accuracy;  // share of its readouts with both answers with logit difference > 0; NaN without such
  std::vector<double> kl;        // mean over its readouts of KL(full ‖ run), nats; NaN without readouts
  std::vector<double> rounding{};  // of M_i: metric_rounding of the whole model's run
};

// Runs every circuit on every example: one pass over the data, the ablated values worked out once. Of `spec`
// metric, ablation, its reference and batch count. Nothing is pruned here.
std::vector<CircuitOutcome> run_circuits(const Model& model, const Graph& graph,
                                         const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                         const std::vector<Circuit>& circuits, const ProgressCallback& progress);

}  // namespace circuit
