#include "model/mlp.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/threshold_backward.h>

#include "core/error.h"

namespace circuit {
namespace {

at::Tensor activate(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kGeluErf:
      return at::gelu(x, "none");
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kRelu:
      return at::relu(x);
  }
  fail("mlp", "unknown activation.");
}

at::Tensor activate_backward(Activation activation, const at::Tensor& d_h, const at::Tensor& x) {
  switch (activation) {
    case Activation::kGeluTanh:
      return at::gelu_backward(d_h, x, "tanh");
    case Activation::kGeluErf:
      return at::gelu_backward(d_h, x, "none");
    case Activation::kSilu:
      return at::silu_backward(d_h, x);
    case Activation::kRelu:
      return at::threshold_backward(d_h, x, 0);
  }
  fail("mlp", "unknown activation.");
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  at::Tensor y = at::mm(x, weight);
  return bias.defined() ? y.add_(bias) : y;
}

at::Tensor mlp_forward(const Architecture& architecture, const LayerWeights& weights, const at::Tensor& y,
                       MlpCache* cache) {
  MlpCache local;
  local.in = linear(y, weights.w_in, weights.b_in);
  if (architecture.gated_mlp) local.gate = linear(y, weights.w_gate, weights.b_gate);
  if (cache != nullptr) *cache = local;
  return at::mm(mlp_hidden(architecture, local), weights.w_out);
}

at::Tensor mlp_hidden(const Architecture& architecture, const MlpCache& cache) {
  if (!architecture.gated_mlp) return activate(architecture.activation, cache.in);
  return activate(architecture.activation, cache.gate).mul_(cache.in);
}

MlpGradients mlp_backward(const Architecture& architecture, const LayerWeights& weights, const MlpCache& cache,
                          const at::Tensor& d_out) {
  at::Tensor d_hidden = at::mm(d_out, weights.w_out.t());
  if (!architecture.gated_mlp) return {activate_backward(architecture.activation, d_hidden, cache.in), {}};
  const at::Tensor d_gate = activate_backward(architecture.activation, d_hidden * cache.in, cache.gate);
  return {d_hidden.mul_(activate(architecture.activation, cache.gate)), d_gate};
}

}  // namespace circuit
