// The model run with the edges of circuits alone (method.md §6): what each does on every example.
#pragma once

#include <functional>
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

struct ScoreBatch;

// Gives the stream that `logits` reads, [tokens, d_model], of one of several runs of a batch.
using BatchRuns = std::function<at::Tensor(size_t run)>;
// What `runs` runs do on every example, in one pass over the data; prepare: what they share on a batch. Throws Error
// where there is no example.
std::vector<CircuitOutcome> judge_runs(const Model& model, const std::vector<const Example*>& examples,
                                       const ScoreSpec& spec, size_t runs, const ProgressCallback& progress,
                                       const std::function<BatchRuns(const ScoreBatch& batch)>& prepare);

// Runs every circuit on every example: one pass over the data, the ablated values worked out once. Of `spec`
// metric, ablation, its reference and batch count. Nothing is pruned here.
std::vector<CircuitOutcome> run_circuits(const Model& model, const Graph& graph,
                                         const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                         const std::vector<Circuit>& circuits, const ProgressCallback& progress);

}  // namespace circuit
