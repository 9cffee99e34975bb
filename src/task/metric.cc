#include "task/metric.h"

#include <ATen/ops/_unique2.h>

#include <tuple>

#include "core/error.h"
#include "core/names.h"

namespace circuit {

const std::vector<Metric>& metrics() {
  static const std::vector<Metric> all{
      logit_diff_metric(),
      prob_diff_metric(),
      nll_metric(),
  };
  return all;
}

const Metric& find_metric(const std::string& name) { return find_named(metrics(), "metric", name); }

void check_metric(const Metric& metric, const Example& example) {
  if (!metric.needs_readouts) return;
  if (example.readouts.empty()) fail(example.place, "the record has no readouts; metric {} needs at least one.", metric.name);
  for (const Readout& r : example.readouts) {
    if (!r.correct.empty() && !r.wrong.empty()) continue;
    fail(example.place, "the readout at position {} lacks 'correct' or 'wrong', which metric {} needs.", r.position,
         metric.name);
  }
}

at::Tensor rows_read(const Metric& metric, const ExampleBatch& batch) {
  if (!metric.needs_readouts) return batch.targets.rows;
  return readout_rows(batch);
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
