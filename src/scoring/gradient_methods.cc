#include "scoring/gradient_methods.h"

#include <algorithm>

#include "core/error.h"

namespace circuit {

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
  return batch;
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
    if (e->counterfactual_ids.empty()) fail(e->place, "the record has no counterfactual; method {} needs pairs.", method);
  }
}

}  // namespace circuit
