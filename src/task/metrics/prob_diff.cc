// prob_diff: summed probability of `correct` − summed probability of `wrong`.
#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "task/metric.h"

namespace circuit {
namespace {

// Values of rows first … first + count − 1, weighted, into `result`; returns ∂/∂y of their sum, if wanted.
at::Tensor work_prob_diff(const Model& model, const ExampleBatch& batch, const std::vector<double>& weights,
                          const at::Tensor& y, int64_t first, bool wanted, MetricValues* result) {
  const int64_t count = y.size(0);
  const at::Tensor logits = head_logits(model, y);  // [count, vocab]
  const at::Tensor probs = at::softmax(logits, 1);
  // signs[r, v]: +1 for correct, −1 for wrong, 0 elsewhere
  at::Tensor signs = at::zeros_like(probs, at::kCPU);
  for (int64_t r = 0; r < count; ++r) {
    at::Tensor row = signs[r];
    for (const int64_t id : batch.readouts[first + r].correct) row[id] += 1;
    for (const int64_t id : batch.readouts[first + r].wrong) row[id] -= 1;
  }
  signs = signs.to(probs.device());
  const at::Tensor differences = (probs * signs).sum(1, true, at::kDouble);  // [count, 1]
  const at::Tensor on_host = differences.to(at::kCPU).contiguous();
  for (int64_t r = 0; r < count; ++r) {
    result->values[batch.readout_example[first + r]] += weights[first + r] * on_host.data_ptr<double>()[r];
  }
  if (!wanted) return {};
  // ∂/∂logits of Σ_v p_v s_v is p ⊙ (s − Σ p s)
  const at::Tensor w =
      at::tensor(std::vector<double>(weights.begin() + first, weights.begin() + first + count), at::kDouble)
          .to(y.options())
          .unsqueeze(1);
  return head_d_y(model, head_logits_backward(model, logits, probs * (signs - differences.to(y.scalar_type())) * w));
}

MetricValues compute_prob_diff(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                               MetricGradient gradient) {
  const std::vector<double> weights = readout_weights(batch, "prob_diff");
  const HeadInput head = readout_input(model, x_final, batch.readout_rows);
  const bool wanted = gradient != MetricGradient::kNone;
  const at::Tensor d_y = at::zeros_like(head.y);
  MetricValues result;
  result.values.resize(batch.examples);
  for_logit_parts(model, batch.n_readouts(), [&](int64_t first, int64_t count) {
    const at::Tensor d = work_prob_diff(model, batch, weights, head.y.narrow(0, first, count), first, wanted, &result);
    if (wanted) d_y.narrow(0, first, count).copy_(d);
  });
  if (wanted) result.d_final = head_backward(model, head, d_y, batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric prob_diff_metric() {
  return {"prob_diff", "probability of correct minus probability of wrong", compute_prob_diff, Reads::kReadouts, false,
          true};
}

}  // namespace circuit
