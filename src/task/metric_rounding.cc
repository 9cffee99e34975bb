#include "task/metric_rounding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>

#include <limits>

namespace circuit {
namespace {

double spacing(at::ScalarType dtype) {
  switch (dtype) {
    case at::kBFloat16:
      return 1.0 / (128 * 8);
    case at::kHalf:
      return 1.0 / (1024 * 8);
    case at::kDouble:
      return std::numeric_limits<double>::epsilon();
    default:
      return std::numeric_limits<float>::epsilon();
  }
}

// What the metric reads: a row of the stream each, its example, and its share of the example's value.
struct Reading {
  at::Tensor rows;
  std::vector<int64_t> example;
  std::vector<double> weight;
};

Reading reading_of(const Metric& metric, const ExampleBatch& batch) {
  if (metric.reads == Reads::kReadouts) {
    return {batch.readout_rows, batch.readout_example, readout_weights(batch, metric.name)};
  }
  if (metric.reads == Reads::kTargets) {
    return {batch.targets.rows, batch.target_example, std::vector<double>(batch.target_example.size(), 1.0)};
  }
  const Answers answers = answer_tokens(batch);
  return {answers.rows, answers.example, std::vector<double>(answers.example.size(), 1.0)};
}

}  // namespace

std::vector<double> metric_rounding(const Model& model, const ExampleBatch& batch, const Metric& metric,
                                    const at::Tensor& x_final) {
  const Reading reading = reading_of(metric, batch);
  std::vector<double> rounding(batch.examples);
  if (reading.example.empty()) return rounding;
  const at::Tensor y = readout_input(model, x_final, reading.rows).y;
  const double unit = kRoundingUnits * spacing(model.dtype());
  for_logit_parts(model, y.size(0), [&](int64_t first, int64_t count) {
    const at::Tensor logits = head_logits(model, y.narrow(0, first, count));
    const at::Tensor size = logits.abs().amax(1).to(at::kCPU, at::kDouble).contiguous();
    const at::Tensor probs = metric.probability ? at::softmax(logits, 1).to(at::kCPU, at::kDouble) : at::Tensor();
    for (int64_t r = 0; r < count; ++r) {
      double scale = size.data_ptr<double>()[r];
      if (metric.probability) {
        const Readout& readout = batch.readouts[first + r];
        double share = 0;
        for (const auto* ids : {&readout.correct, &readout.wrong}) {
          for (const int64_t id : *ids) share += probs[r][id].item<double>();
        }
        scale *= share;
      }
      rounding[reading.example[first + r]] += unit * scale * reading.weight[first + r];
    }
  });
  return rounding;
}

}  // namespace circuit
