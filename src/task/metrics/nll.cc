// nll: M_i = −Σ_{t ∈ targets(i)} nll_t, a sum, so that the training loss is −Σ_i M_i / (number of targets).
#include <ATen/TensorOperators.h>

#include "core/error.h"
#include "task/metric.h"

namespace circuit {
namespace {

MetricValues compute_nll(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                         MetricGradient gradient) {
  if (batch.n_targets() == 0) fail("nll", "the batch has no target tokens.");
  const Loss loss = nll_loss(model, x_final, batch.targets,
                             gradient == MetricGradient::kNone ? LossGradient::kNone : LossGradient::kStream);
  const at::Tensor nll = loss.nll.to(at::kCPU);
  MetricValues result;
  result.values.resize(batch.examples);
  for (int64_t t = 0; t < batch.n_targets(); ++t) {
    result.values[batch.target_example[t]] -= nll.data_ptr<double>()[t];
  }
  if (gradient == MetricGradient::kNone) return result;
  result.d_final = head_backward(model, loss.head, loss.d_y.neg(), batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric nll_metric() {
  return {"nll", "log-likelihood of the target tokens (minus their summed nll)", compute_nll, Reads::kTargets};
}

}  // namespace circuit
