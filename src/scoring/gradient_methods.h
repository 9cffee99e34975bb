// What the scoring methods share: batches, what the metric reads in them, which positions count.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ranks/shares.h"
#include "scoring/edge_accumulator.h"
#include "scoring/scorer.h"

namespace circuit {

// Of the eap-ig methods.
inline const Parameter<int64_t> kIgSteps("ig_steps", 5, "Gradients of the eap-ig methods.", 1, 1e6);

// One batch of a score: its examples, what the metric reads, which positions count.
struct ScoreBatch {
  std::vector<const Example*> examples;
  ExampleBatch clean;
  at::Tensor read_rows;    // rows of the last stream that the metric reads
  at::Tensor scored_rows;  // positions summed over; undefined: all
  at::Tensor labels;       // span of each token, [tokens] int64; undefined: scores are not split
};

// What an accumulator of the method adds of a batch.
ScoredPart part_of(const ScoreBatch& batch);

// Scores, sum rule and spans of an accumulator into a result whose metric is a sum over its examples yet.
void finish(const EdgeAccumulator& accumulator, const ScoreSpec& spec, ScoreResult* result);

// The metric of the whole model on a batch: adds its values to result->metric, and how far they are from those
// of the run that `ablated` comes from to result->metric_shift, where that is one run. d_final: see Metric.
void add_metric(const Model& model, const ScoreBatch& batch, const Metric& metric, const at::Tensor& x_final,
                const NodeOutputs& ablated, Rule rule, at::Tensor* d_final, ScoreResult* result);

// Positions summed over: undefined for all. Throws Error when readouts are wanted and there are none.
at::Tensor scored_rows(const ExampleBatch& batch, Positions positions);

ScoreBatch make_score_batch(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec);

// Calls `each` for batch after batch of this rank's share of the examples and reports progress.
void for_batches(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                 const ProgressCallback& progress, const std::function<void(const ScoreBatch&)>& each);

// What a batch adds: to `result` its metric, its examples and the metric's shift; other sums are given back.
using AddBatch = std::function<std::vector<at::Tensor>(const ScoreBatch& batch, ScoreResult* result)>;
// The sums of all batches of all ranks, in an order that neither ranks nor threads change (ranks/tree_sum.h); `result`
// has the metric's sums, as finish() takes them. Empty: there are no examples.
std::vector<at::Tensor> sum_batches(const Model& model, const std::vector<const Example*>& examples,
                                    const ScoreSpec& spec, const ProgressCallback& progress, ScoreResult* result,
                                    const AddBatch& each);
// The same of an accumulator, which `each` adds to.
void sum_batches(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                 const ProgressCallback& progress, EdgeAccumulator* scores, ScoreResult* result,
                 const std::function<void(const ScoreBatch& batch, ScoreResult* result)>& each);

// Sum of the metric over a batch, of a run of `batch`; its gradient at the last stream.
double metric_sum(const Model& model, const ExampleBatch& batch, const Metric& metric, const at::Tensor& x_final,
                  at::Tensor* d_final);

// The clean run's metric, its mean over the examples, without scores: of methods whose scores need no run.
ScoreResult clean_metric(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                         const ProgressCallback& progress);

// Throws Error naming the record when it has no counterfactual: `method` needs pairs.
void require_pairs(const std::vector<const Example*>& examples, const std::string& method);

}  // namespace circuit
