#include "task/metric.h"

#include <ATen/ops/_unique2.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/error.h"
#include "core/names.h"

namespace circuit {

#define CIRCUIT_MADE(name) name(),
const std::vector<Metric>& metrics() {
  static const std::vector<Metric> all{CIRCUIT_METRICS(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

const Metric& find_metric(const std::string& name) { return find_named(metrics(), "metric", name); }

std::vector<double> metric_values(const Model& model, const ExampleBatch& batch, const Metric& metric,
                                  const at::Tensor& x_final) {
  std::vector<double> values = metric.compute(model, batch, x_final, MetricGradient::kNone).values;
  for (int64_t i = 0; i < batch.examples; ++i) {
    if (std::isfinite(values[i])) continue;
    fail(batch.places[i],
         "metric {} is {}: the model's logits are not finite. Check its weights; in tuning, lower optimizer.lr or set "
         "optimizer.clip.",
         metric.name, values[i]);
  }
  return values;
}

void check_metric(const Metric& metric, const Example& example) {
  const bool answer = metric.reads == Reads::kAnswer;
  const bool targets = std::max<int64_t>(1, example.first_target) < static_cast<int64_t>(example.ids.size());
  if (!targets && (metric.reads == Reads::kTargets || (answer && example.readouts.empty()))) {
    fail(example.place,
         "the record has no target token, of which metric {} needs one: its one token is the first, which "
         "nothing predicts.",
         metric.name);
  }
  if (metric.reads == Reads::kTargets) return;
  if (example.readouts.empty() && !answer)
    fail(example.place, "the record has no readouts; metric {} needs at least one.", metric.name);
  for (const Readout& r : example.readouts) {
    if (metric.flat_at_clean || (!r.correct.empty() && (answer || !r.wrong.empty()))) continue;
    if (answer)
      fail(example.place, "the readout at position {} lacks 'correct', which metric {} needs.", r.position,
           metric.name);
    fail(example.place, "the readout at position {} lacks 'correct' or 'wrong', which metric {} needs.", r.position,
         metric.name);
  }
}

at::Tensor rows_read(const Metric& metric, const ExampleBatch& batch) {
  if (metric.reads == Reads::kTargets) return batch.targets.rows;
  if (metric.reads == Reads::kReadouts) return readout_rows(batch);
  const at::Tensor answers = answer_tokens(batch).rows;
  return answers.numel() == 0 ? at::Tensor() : std::get<0>(at::_unique2(answers));
}

Answers answer_tokens(const ExampleBatch& batch) {
  Answers answers;
  std::vector<int64_t> rows;
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    const int64_t i = batch.readout_example[r];
    rows.push_back(batch.tokens.starts[i] + batch.readouts[r].position - 1);
    answers.ids.push_back(batch.readouts[r].correct);
    answers.example.push_back(i);
  }
  if (batch.n_targets() > 0) {
    const at::Tensor target_rows = batch.targets.rows.to(at::kCPU);
    const at::Tensor target_ids = batch.targets.ids.to(at::kCPU);
    for (int64_t t = 0; t < batch.n_targets(); ++t) {
      if (batch.readouts_per_example[batch.target_example[t]] > 0) continue;
      rows.push_back(target_rows.data_ptr<int64_t>()[t]);
      answers.ids.push_back({target_ids.data_ptr<int64_t>()[t]});
      answers.example.push_back(batch.target_example[t]);
    }
  }
  answers.rows = at::tensor(rows, at::kLong).to(batch.tokens.ids.device());
  return answers;
}

at::Tensor readout_rows(const ExampleBatch& batch) {
  // Two readouts may predict the same token.
  return batch.n_readouts() == 0 ? at::Tensor() : std::get<0>(at::_unique2(batch.readout_rows));
}

std::vector<double> readout_weights(const ExampleBatch& batch, const std::string& metric) {
  for (int64_t i = 0; i < batch.examples; ++i) {
    if (batch.readouts_per_example[i] == 0) {
      fail(batch.places[i], "the record has no readouts; metric {} needs at least one.", metric);
    }
  }
  std::vector<double> weights;
  for (const int64_t i : batch.readout_example) {
    weights.push_back(1.0 / static_cast<double>(batch.readouts_per_example[i]));
  }
  return weights;
}

}  // namespace circuit
