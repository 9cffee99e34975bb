#include "model/norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/rsqrt.h>

#include <tuple>

#include "model/rows.h"
#include "model/wide.h"

namespace circuit {
namespace {

// γ for every head of x.
at::Tensor scale_of(const NormWeights& weights, const at::Tensor& x) {
  at::Tensor scale = norm_scale(weights);
  if (scale.dim() < 2 || scale.size(0) == x.size(1)) return scale;
  return scale.repeat_interleave(x.size(1) / scale.size(0), 0);
}

bool by_head(const NormWeights& weights) { return weights.weight.dim() == 2; }

// x̂ ⊙ γ + β in x's dtype, x̂ in that of the statistics. As Hugging Face: rounded before the product with a stored γ
// (Llama), after it where γ is the weight plus 1 (Gemma). x_hat may be overwritten.
at::Tensor scaled(const NormWeights& weights, const at::Tensor& x_hat, at::ScalarType dtype) {
  const at::Tensor scale = scale_of(weights, x_hat);
  at::Tensor y = weights.spec.offset != 0 ? (x_hat * scale).to(dtype) : x_hat.to(dtype).mul_(scale);
  return weights.bias.defined() ? y.add_(norm_shift(weights)) : y;
}

}  // namespace

at::Tensor norm_scale(const NormWeights& weights) {
  const NormSpec& spec = weights.spec;
  if (spec.offset == 0) return spec.factor == 1 ? weights.weight : weights.weight * spec.factor;
  return (wide(weights.weight) + spec.offset) * spec.factor;
}

at::Tensor norm_shift(const NormWeights& weights) {
  return weights.bias.defined() && weights.spec.factor != 1 ? weights.bias * weights.spec.factor : weights.bias;
}

NormStats take_rows(const NormStats& stats, const at::Tensor& rows) {
  return {take_rows(stats.mean, rows), take_rows(stats.rstd, rows), stats.constant};
}

at::Tensor norm_forward(const NormWeights& weights, const at::Tensor& x, NormStats* stats) {
  if (weights.spec.kind == NormKind::kNone) {
    if (stats != nullptr) *stats = {{}, at::ones({x.size(0), 1}, x.options().dtype(wide(x.scalar_type()))), true};
    return x;
  }
  if (weights.spec.kind == NormKind::kLayerNorm) {
    const at::Tensor own = by_head(weights) ? at::Tensor() : wide(norm_scale(weights));
    auto [y, mean, rstd] =
        at::native_layer_norm(wide(x), {x.size(-1)}, own, wide(norm_shift(weights)), weights.spec.eps);
    if (by_head(weights)) y = y * wide(scale_of(weights, x));
    if (stats != nullptr) *stats = {mean, rstd};
    return y.to(x.scalar_type());
  }
  // The mean of squares in at least float32: with BF16 activations its own rounding would dominate.
  const at::Tensor w = wide(x);
  const at::Tensor rstd = w.square().mean(-1, true).add_(weights.spec.eps).rsqrt_();
  if (stats != nullptr) *stats = {at::Tensor(), rstd};
  return scaled(weights, w * rstd, x.scalar_type());
}

at::Tensor post_norm_forward(const NormWeights& weights, const at::Tensor& x, NormStats* stats) {
  return weights.defined() ? norm_forward(weights, x, stats) : x;
}

at::Tensor norm_standardised(const at::Tensor& x, const NormStats& stats) {
  const at::Tensor centred = stats.mean.defined() ? x - stats.mean : x;
  return (centred * stats.rstd).to(x.scalar_type());
}

at::Tensor norm_output(const NormWeights& weights, const at::Tensor& x, const NormStats& stats) {
  const at::Tensor centred = stats.mean.defined() ? x - stats.mean : x;
  return scaled(weights, centred * stats.rstd, x.scalar_type());
}

at::Tensor norm_backward(const NormWeights& weights, const at::Tensor& x, const NormStats& stats, const at::Tensor& d_y,
                         Rule rule) {
  if (stats.constant) return d_y;
  if (holds_norms(rule)) {
    // The centring stays: it is linear.
    const at::Tensor g = (d_y * scale_of(weights, x)).to(d_y.scalar_type()) * stats.rstd.to(d_y.scalar_type());
    return stats.mean.defined() ? g - g.mean(-1, true) : g;
  }
  if (stats.mean.defined()) {
    const at::Tensor own = by_head(weights) ? at::Tensor() : wide(norm_scale(weights));
    const at::Tensor d = by_head(weights) ? wide(d_y) * wide(scale_of(weights, x)) : wide(d_y);
    const at::Tensor d_x = std::get<0>(at::native_layer_norm_backward(
        d, wide(x), {x.size(-1)}, stats.mean, stats.rstd, own, wide(norm_shift(weights)), {true, false, false}));
    return d_x.to(x.scalar_type());
  }
  // ∂x = rstd · (g − x̂ · mean(g ⊙ x̂)) with g = γ ⊙ ∂y
  const at::Tensor x_hat = norm_standardised(x, stats);
  at::Tensor g = (d_y * scale_of(weights, x)).to(d_y.scalar_type());
  const at::Tensor projection = (g * x_hat).mean(-1, true);
  return g.addcmul_(x_hat, projection, -1).mul_(stats.rstd.to(g.scalar_type()));
}

}  // namespace circuit
