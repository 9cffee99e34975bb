// prob_diff: summed probability of `correct` − summed probability of `wrong`.
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "task/metric.h"

namespace circuit {
namespace {

MetricValues compute(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                     MetricGradient gradient) {
  const std::vector<double> weights = readout_weights(batch, "prob_diff");
  const HeadInput head = head_input(model, x_final, batch.readout_rows);
  const at::Tensor logits = head_logits(model, head.y);  // [readouts, vocab]
  const at::Tensor probs = at::softmax(logits, 1);
  // signs[r, v]: +1 for correct, −1 for wrong, 0 elsewhere
  at::Tensor signs = at::zeros_like(probs, at::kCPU);
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    at::Tensor row = signs[r];
    for (const int64_t id : batch.readouts[r].correct) row[id] += 1;
    for (const int64_t id : batch.readouts[r].wrong) row[id] -= 1;
  }
  signs = signs.to(probs.device());
  const at::Tensor differences = (probs * signs).sum(1, true);  // [readouts, 1]
  const at::Tensor on_host = differences.to(at::kCPU, at::kDouble).contiguous();
  MetricValues result;
  result.values.resize(batch.examples);
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    result.values[batch.readout_example[r]] += weights[r] * on_host.data_ptr<double>()[r];
  }
  if (gradient == MetricGradient::kNone) return result;
  // ∂/∂logits of Σ_v p_v s_v is p ⊙ (s − Σ p s)
  const at::Tensor w = at::tensor(weights, at::kDouble).to(model.device(), model.dtype()).unsqueeze(1);
  const at::Tensor d_logits = head_logits_backward(model, logits, probs * (signs - differences) * w);
  result.d_final =
      head_backward(model, head, at::mm(d_logits, model.unembedding()), batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric prob_diff_metric() { return {"prob_diff", "probability of correct minus probability of wrong", compute}; }

}  // namespace circuit
