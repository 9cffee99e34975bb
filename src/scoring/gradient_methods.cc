#include "scoring/gradient_methods.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "ranks/tree_sum.h"

namespace circuit {
namespace {

MetricGradient gradient_of(const at::Tensor* d_final, Rule rule) {
  if (d_final == nullptr) return MetricGradient::kNone;
  return holds_norms(rule) ? MetricGradient::kHeldNorm : MetricGradient::kStream;
}

}  // namespace

at::Tensor scored_rows(const ExampleBatch& batch, Positions positions) {
  if (positions == Positions::kAll) return {};
  if (batch.n_readouts() == 0) fail(batch.places[0], "positions readout needs records with readouts.");
  return readout_rows(batch);
}

ScoreBatch make_score_batch(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec) {
  ScoreBatch batch;
  batch.examples = examples;
  batch.clean = make_example_batch(examples, model.architecture(), model.device());
  batch.read_rows = rows_read(spec.metric, batch.clean);
  batch.scored_rows = scored_rows(batch.clean, spec.positions);
  if (spec.metric.flat_at_clean && batch.clean.n_readouts() > 0) {
    const ForwardCache run = forward(model, batch.clean.tokens, Keep::kNothing, {batch.read_rows});
    batch.clean.full = run.x_final.index_select(0, batch.clean.readout_rows);
  }
  if (!spec.spans.empty()) batch.labels = span_labels(examples, spec.spans);
  return batch;
}

ScoredPart part_of(const ScoreBatch& batch) {
  ScoredPart part;
  part.rows = batch.scored_rows;
  part.labels = batch.labels;
  return part;
}

void finish(const EdgeAccumulator& accumulator, const ScoreSpec& spec, ScoreResult* result) {
  result->scores = accumulator.finish(result->examples, &result->sum_rule_error);
  if (!spec.spans.empty()) result->spans = accumulator.finish_spans(result->examples);
  result->metric /= static_cast<double>(result->examples);
  if (result->metric_shift) *result->metric_shift /= static_cast<double>(result->examples);
}

void add_metric(const Model& model, const ScoreBatch& batch, const Metric& metric, const at::Tensor& x_final,
                const NodeOutputs& ablated, Rule rule, at::Tensor* d_final, ScoreResult* result) {
  const MetricValues clean = metric.compute(model, batch.clean, x_final, gradient_of(d_final, rule));
  if (d_final != nullptr) *d_final = clean.d_final;
  for (const double value : clean.values) result->metric += value;
  result->examples += batch.clean.examples;
  if (!ablated.last_stream.defined() || metric.reads != Reads::kReadouts) return;
  const std::vector<double> other = metric_values(model, batch.clean, metric, ablated.last_stream);
  double shift = 0;
  for (size_t i = 0; i < clean.values.size(); ++i) shift += std::fabs(clean.values[i] - other[i]);
  result->metric_shift = result->metric_shift.value_or(0) + shift;
}

void for_batches(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                 const ProgressCallback& progress, const std::function<void(const ScoreBatch&)>& each) {
  const auto total = static_cast<int64_t>(examples.size());
  const Share share = share_of(parts_of(total, spec.batch), world());
  const auto at = [&](int64_t part) { return std::min(total, part * spec.batch); };
  for (int64_t part = share.first; part < share.last; ++part) {
    each(make_score_batch(model, {examples.begin() + at(part), examples.begin() + at(part + 1)}, spec));
    // Of this rank's share, as if it were all.
    if (progress) progress(total * (part + 1 - share.first) / share.count(), total);
  }
}

namespace {

at::Tensor metric_sums(const ScoreResult& result) {
  return at::tensor({result.metric, static_cast<double>(result.examples), result.metric_shift.value_or(0),
                     result.metric_shift ? 1.0 : 0.0},
                    at::kDouble);
}

void set_metric_sums(const at::Tensor& sums, ScoreResult* result) {
  const auto* s = sums.data_ptr<double>();
  result->metric = s[0];
  result->examples = static_cast<int64_t>(s[1]);
  if (s[3] > 0) result->metric_shift = s[2];
}

}  // namespace

std::vector<at::Tensor> sum_batches(const Model& model, const std::vector<const Example*>& examples,
                                    const ScoreSpec& spec, const ProgressCallback& progress, ScoreResult* result,
                                    const AddBatch& each) {
  TreeSum sum;
  int64_t leaf = share_of(parts_of(static_cast<int64_t>(examples.size()), spec.batch), world()).first;
  for_batches(model, examples, spec, progress, [&](const ScoreBatch& batch) {
    ScoreResult one;
    std::vector<at::Tensor> added = each(batch, &one);
    added.push_back(metric_sums(one));
    sum.add(leaf++, std::move(added));
  });
  std::vector<at::Tensor> sums = sum.finish(world(), "scores");
  if (sums.empty()) return {};
  set_metric_sums(sums.back().to(at::kCPU), result);
  sums.pop_back();
  return sums;
}

void sum_batches(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                 const ProgressCallback& progress, EdgeAccumulator* scores, ScoreResult* result,
                 const std::function<void(const ScoreBatch& batch, ScoreResult* result)>& each) {
  std::vector<at::Tensor> sums =
      sum_batches(model, examples, spec, progress, result, [&](const ScoreBatch& batch, ScoreResult* one) {
        each(batch, one);
        return scores->take();
      });
  if (!sums.empty()) scores->give(std::move(sums));
}

double metric_sum(const Model& model, const ExampleBatch& batch, const Metric& metric, const at::Tensor& x_final,
                  at::Tensor* d_final) {
  const MetricValues values =
      metric.compute(model, batch, x_final, d_final == nullptr ? MetricGradient::kNone : MetricGradient::kStream);
  if (d_final != nullptr) *d_final = values.d_final;
  double sum = 0;
  for (const double value : values.values) sum += value;
  return sum;
}

ScoreResult clean_metric(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                         const ProgressCallback& progress) {
  if (examples.empty()) fail("scoring", "there are no examples to score on.");
  ScoreResult result;
  sum_batches(model, examples, spec, progress, &result, [&](const ScoreBatch& batch, ScoreResult* one) {
    const ForwardCache run = forward(model, batch.clean.tokens, Keep::kNothing, {batch.read_rows});
    one->metric = metric_sum(model, batch.clean, spec.metric, run.x_final, nullptr);
    one->examples = batch.clean.examples;
    return std::vector<at::Tensor>();
  });
  result.metric /= static_cast<double>(result.examples);
  return result;
}

void require_pairs(const std::vector<const Example*>& examples, const std::string& method) {
  for (const Example* e : examples) {
    if (e->counterfactual_ids.empty())
      fail(e->place, "the record has no counterfactual; method {} needs pairs.", method);
  }
}

}  // namespace circuit
