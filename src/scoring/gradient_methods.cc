#include "scoring/gradient_methods.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace circuit {
namespace {

MetricGradient gradient_of(const at::Tensor* d_final, Rule rule) {
  if (d_final == nullptr) return MetricGradient::kNone;
  return rule == Rule::kRelevance ? MetricGradient::kRelevance : MetricGradient::kStream;
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
  for (int64_t first = 0; first < total; first += spec.batch) {
    const int64_t count = std::min(spec.batch, total - first);
    each(make_score_batch(model, {examples.begin() + first, examples.begin() + first + count}, spec));
    if (progress) progress(first + count, total);
  }
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

void require_pairs(const std::vector<const Example*>& examples, const std::string& method) {
  for (const Example* e : examples) {
    if (e->counterfactual_ids.empty())
      fail(e->place, "the record has no counterfactual; method {} needs pairs.", method);
  }
}

}  // namespace circuit
