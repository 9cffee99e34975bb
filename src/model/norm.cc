#include "model/norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/rsqrt.h>

#include <tuple>

#include "model/rows.h"

namespace circuit {

NormStats take_rows(const NormStats& stats, const at::Tensor& rows) {
  return {take_rows(stats.mean, rows), take_rows(stats.rstd, rows)};
}

at::Tensor norm_forward(const Architecture& architecture, const NormWeights& weights, const at::Tensor& x,
                        NormStats* stats) {
  if (architecture.norm == NormKind::kLayerNorm) {
    auto [y, mean, rstd] =
        at::native_layer_norm(x, {x.size(-1)}, weights.weight, weights.bias, architecture.norm_eps);
    if (stats != nullptr) *stats = {mean, rstd};
    return y;
  }
  // The mean of squares in at least float32: with BF16 activations its own rounding would dominate.
  const at::Tensor wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const at::Tensor rstd = wide.square().mean(-1, true).add_(architecture.norm_eps).rsqrt_();
  if (stats != nullptr) *stats = {at::Tensor(), rstd};
  at::Tensor y = (wide * rstd).to(x.scalar_type()).mul_(weights.weight);
  return weights.bias.defined() ? y.add_(weights.bias) : y;
}

at::Tensor norm_standardised(const at::Tensor& x, const NormStats& stats) {
  const at::Tensor centred = stats.mean.defined() ? x - stats.mean : x;
  return (centred * stats.rstd).to(x.scalar_type());
}

at::Tensor norm_output(const NormWeights& weights, const at::Tensor& x, const NormStats& stats) {
  at::Tensor y = norm_standardised(x, stats).mul_(weights.weight);
  return weights.bias.defined() ? y.add_(weights.bias) : y;
}

at::Tensor norm_backward(const NormWeights& weights, const at::Tensor& x, const NormStats& stats,
                         const at::Tensor& d_y, Rule rule) {
  if (rule == Rule::kRelevance) {
    // The centring stays: it is linear.
    const at::Tensor g = d_y * weights.weight * stats.rstd.to(d_y.scalar_type());
    return stats.mean.defined() ? g - g.mean(-1, true) : g;
  }
  if (stats.mean.defined()) {
    return std::get<0>(at::native_layer_norm_backward(d_y, x, {x.size(-1)}, stats.mean, stats.rstd, weights.weight,
                                                      weights.bias, {true, false, false}));
  }
  // ∂x = rstd · (g − x̂ · mean(g ⊙ x̂)) with g = γ ⊙ ∂y
  const at::Tensor x_hat = norm_standardised(x, stats);
  at::Tensor g = d_y * weights.weight;
  const at::Tensor projection = (g * x_hat).mean(-1, true);
  return g.addcmul_(x_hat, projection, -1).mul_(stats.rstd.to(g.scalar_type()));
}

}  // namespace circuit
