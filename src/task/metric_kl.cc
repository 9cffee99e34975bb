// kl: M_i = −mean over the readouts of KL(full ‖ run), the whole model's next-token distribution against the run's.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>

#include "core/error.h"
#include "model/forward.h"
#include "model/wide.h"
#include "task/metric.h"

namespace circuit {
namespace {

MetricValues compute(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                     MetricGradient gradient) {
  const std::vector<double> weights = readout_weights(batch, "kl");
  if (!batch.full.defined()) fail("kl", "metric kl compares a run with the whole model's, and there is none here.");
  if (batch.full.size(0) != batch.n_readouts()) {
    fail(batch.places[0], "metric kl: the counterfactual has {} readouts where the texts of the batch have {}.",
         batch.n_readouts(), batch.full.size(0));
  }
  const HeadInput head = head_input(model, x_final, batch.readout_rows);
  const at::Tensor logits = wide(head_logits(model, head.y));
  const at::Tensor run = at::_log_softmax(logits, 1, false);  // [readouts, vocab]
  const at::Tensor full = at::_log_softmax(wide(logits_of(model, batch.full)), 1, false);
  const at::Tensor p = full.exp();
  const at::Tensor kl = (p * (full - run)).sum(1).to(at::kCPU, at::kDouble).contiguous();
  MetricValues result;
  result.values.resize(batch.examples);
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    result.values[batch.readout_example[r]] -= weights[r] * kl.data_ptr<double>()[r];
  }
  if (gradient == MetricGradient::kNone) return result;
  // ∂(−KL)/∂logits of the run = p − softmax(run)
  const at::Tensor w = at::tensor(weights, at::kDouble).to(logits.options()).unsqueeze(1);
  const at::Tensor d_logits = head_logits_backward(model, logits, (p - run.exp()) * w);
  const at::Tensor d_y = at::mm(d_logits.to(model.dtype()), model.unembedding());
  result.d_final = head_backward(model, head, d_y, batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric kl_metric() {
  return {"kl", "minus KL(full || run) of the next token at the readouts", compute, Reads::kReadouts, true};
}

}  // namespace circuit
