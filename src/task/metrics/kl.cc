// kl: M_i = −mean over the readouts of KL(full ‖ run), the whole model's next-token distribution against the run's.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "model/wide.h"
#include "task/metric.h"

namespace circuit {
namespace {

MetricValues compute_kl(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                        MetricGradient gradient) {
  const std::vector<double> weights = readout_weights(batch, "kl");
  if (!batch.full.defined()) fail("kl", "metric kl compares a run with the whole model's, and there is none here.");
  if (batch.full.size(0) != batch.n_readouts()) {
    fail(batch.places[0], "metric kl: the counterfactual has {} readouts where the texts of the batch have {}.",
         batch.n_readouts(), batch.full.size(0));
  }
  const HeadInput head = readout_input(model, x_final, batch.readout_rows);
  const at::Tensor y_full = norm_forward(model.final_norm(), wide(batch.full), nullptr);  // [readouts, d_model]
  const bool wanted = gradient != MetricGradient::kNone;
  const at::Tensor d_y = at::zeros_like(head.y);
  MetricValues result;
  result.values.resize(batch.examples);
  for_logit_parts(model, batch.n_readouts(), [&](int64_t first, int64_t count) {
    const at::Tensor logits = head_logits(model, head.y.narrow(0, first, count));  // [count, vocab]
    const at::Tensor run = at::_log_softmax(logits, 1, false);
    const at::Tensor full = at::_log_softmax(head_logits(model, y_full.narrow(0, first, count)), 1, false);
    const at::Tensor p = full.exp();
    const at::Tensor kl = (p * (full - run)).sum(1, false, at::kDouble).to(at::kCPU).contiguous();
    for (int64_t r = 0; r < count; ++r) {
      result.values[batch.readout_example[first + r]] -= weights[first + r] * kl.data_ptr<double>()[r];
    }
    if (!wanted) return;
    // ∂(−KL)/∂logits of the run = p − softmax(run)
    const at::Tensor w =
        at::tensor(std::vector<double>(weights.begin() + first, weights.begin() + first + count), at::kDouble)
            .to(logits.options())
            .unsqueeze(1);
    d_y.narrow(0, first, count).copy_(head_d_y(model, head_logits_backward(model, logits, (p - run.exp()) * w)));
  });
  if (wanted) result.d_final = head_backward(model, head, d_y, batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric kl_metric() {
  return {"kl", "minus KL(full || run) of the next token at the readouts", compute_kl, Reads::kReadouts, true};
}

}  // namespace circuit
