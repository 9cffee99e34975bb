#include "model/mlp.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/threshold_backward.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "core/error.h"
#include "model/experts.h"
#include "model/rows.h"
#include "model/wide.h"

namespace circuit {
namespace {

constexpr double kSlope17 = 1.702;
constexpr double kXieluSlope = 0.5;

// An activation with what belongs to it.
struct Shape {
  Activation activation;
  at::Tensor slopes;
};

at::Tensor xielu(const Shape& shape, const at::Tensor& x) {
  const at::Tensor slopes = shape.slopes.to(x.scalar_type());
  const at::Tensor below = (at::expm1(x) - x) * slopes[1];
  return at::where(x > 0, x * x * slopes[0], below).add_(x, kXieluSlope);
}

at::Tensor xielu_backward(const Shape& shape, const at::Tensor& d_h, const at::Tensor& x) {
  const at::Tensor slopes = shape.slopes.to(x.scalar_type());
  return at::where(x > 0, x * 2 * slopes[0], at::expm1(x) * slopes[1]).add_(kXieluSlope).mul_(d_h);
}

at::Tensor activate_wide(const Shape& shape, const at::Tensor& x) {
  switch (shape.activation) {
    case Activation::kXielu:
      return xielu(shape, x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kGeluErf:
      return at::gelu(x, "none");
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kReluSquared:
      return at::relu(x).square_();
    case Activation::kSigmoid17:
      return at::sigmoid(x * kSlope17).mul_(x);
  }
  fail("mlp", "unknown activation.");
}

at::Tensor activate_backward_wide(const Shape& shape, const at::Tensor& d_h, const at::Tensor& x) {
  switch (shape.activation) {
    case Activation::kXielu:
      return xielu_backward(shape, d_h, x);
    case Activation::kGeluTanh:
      return at::gelu_backward(d_h, x, "tanh");
    case Activation::kGeluErf:
      return at::gelu_backward(d_h, x, "none");
    case Activation::kSilu:
      return at::silu_backward(d_h, x);
    case Activation::kRelu:
      return at::threshold_backward(d_h, x, 0);
    case Activation::kReluSquared:
      return at::relu(x).mul_(2).mul_(d_h);
    case Activation::kSigmoid17: {
      const at::Tensor s = at::sigmoid(x * kSlope17);
      return (s * (1 + kSlope17 * x * (1 - s))).mul_(d_h);
    }
  }
  fail("mlp", "unknown activation.");
}

// f of some rows of x [rows, width] at a time, so that the wide copies of narrow types stay in a CPU's caches.
template <class F>
at::Tensor by_rows(const at::Tensor& x, F f) {
  constexpr int64_t kElements = int64_t{1} << 17;
  if (!x.is_cpu() || x.dim() != 2 || wide(x.scalar_type()) == x.scalar_type())
    return f(0, x.size(0)).to(x.scalar_type());
  at::Tensor y = at::empty(x.sizes(), x.options());
  const int64_t part = std::max<int64_t>(1, kElements / x.size(1));
  for (int64_t first = 0; first < x.size(0); first += part) {
    const int64_t count = std::min(part, x.size(0) - first);
    y.narrow(0, first, count).copy_(f(first, count));
  }
  return y;
}

at::Tensor activate(const Shape& shape, const at::Tensor& x) {
  return by_rows(x,
                 [&](int64_t first, int64_t count) { return activate_wide(shape, wide(x.narrow(0, first, count))); });
}

at::Tensor activate_backward(const Shape& shape, const at::Tensor& d_h, const at::Tensor& x) {
  return by_rows(x, [&](int64_t first, int64_t count) {
    return activate_backward_wide(shape, wide(d_h.narrow(0, first, count)), wide(x.narrow(0, first, count)));
  });
}

// f(x)/x, which relevance takes for the derivative; at 0 the derivative is its limit.
at::Tensor activation_ratio(const Shape& shape, const at::Tensor& x) {
  const at::Tensor at_zero = activate_backward(shape, at::ones_like(x), at::zeros_like(x));
  return at::where(x == 0, at_zero, activate(shape, x) / x);
}

Shape shape_of(const MlpSpec& spec, const MlpCache& cache) { return {spec.activation, cache.slopes}; }

// Gates and ups as the product takes them.
at::Tensor limited_gate(const MlpSpec& spec, const at::Tensor& gate) {
  return spec.limit ? gate.clamp_max(*spec.limit) : gate;
}

at::Tensor limited_up(const MlpSpec& spec, const at::Tensor& in) {
  const at::Tensor up = spec.limit ? in.clamp(-*spec.limit, *spec.limit) : in;
  return spec.up_offset != 0 ? up + spec.up_offset : up;
}

MlpGradients mlp_relevance(const MlpSpec& spec, const MlpCache& cache, const at::Tensor& d_hidden) {
  if (!spec.gated) return {d_hidden, d_hidden * activation_ratio(shape_of(spec, cache), cache.in), {}, {}};
  const at::Tensor half = d_hidden * 0.5;
  const at::Tensor gate = limited_gate(spec, cache.gate);
  return {d_hidden,
          half * activate(shape_of(spec, cache), gate),
          half * limited_up(spec, cache.in) * activation_ratio(shape_of(spec, cache), gate),
          {}};
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  // A single row as a vector: that reads the weights once, where a product of matrices copies them into its own
  // order first. BF16's has no such routine on a CPU.
  const bool vector = x.size(0) == 1 && x.is_cpu() && x.scalar_type() != at::kBFloat16;
  at::Tensor y = vector ? at::mv(weight.t(), x.select(0, 0)).unsqueeze_(0) : at::mm(x, weight);
  return bias.defined() ? y.add_(bias) : y;
}

at::Tensor activation_slopes(const LayerWeights& weights) {
  if (!weights.slope_p.defined()) return {};
  return at::cat({at::softplus(wide(weights.slope_p)), at::softplus(wide(weights.slope_n)) + kXieluSlope});
}

SlopeGradients slope_gradients(const LayerWeights& weights, const at::Tensor& in, const at::Tensor& d_hidden) {
  const at::Tensor x = wide(in);
  const at::Tensor d = wide(d_hidden);
  const auto sum = [](const at::Tensor& t) { return t.sum(1, true); };
  const at::Tensor none = at::zeros_like(x);
  return {sum(d * at::where(x > 0, x * x, none)) * at::sigmoid(wide(weights.slope_p)),
          sum(d * at::where(x > 0, none, at::expm1(x) - x)) * at::sigmoid(wide(weights.slope_n))};
}

MlpCache take_rows(const MlpCache& cache, const at::Tensor& rows) {
  return {take_rows(cache.in, rows), take_rows(cache.gate, rows), take_rows(cache.logits, rows),
          take_rows(cache.gates, rows), cache.slopes};
}

at::Tensor mlp_forward(const MlpSpec& spec, const LayerWeights& weights, const at::Tensor& y, MlpCache* cache,
                       at::Tensor* hidden) {
  if (spec.experts.any()) return experts_forward(spec, weights, y, cache, hidden);
  MlpCache local;
  local.slopes = activation_slopes(weights);
  local.in = linear(y, weights.w_in, weights.b_in);
  if (spec.gated) local.gate = linear(y, weights.w_gate, weights.b_gate);
  if (cache != nullptr) *cache = local;
  const at::Tensor h = mlp_hidden(spec, local);
  if (hidden != nullptr) *hidden = h;
  return linear(h, weights.w_out, {});
}

at::Tensor mlp_hidden(const MlpSpec& spec, const MlpCache& cache) {
  if (cache.gates.defined()) return experts_hidden(spec, cache);
  if (!spec.gated) return activate(shape_of(spec, cache), cache.in);
  return activate(shape_of(spec, cache), limited_gate(spec, cache.gate)).mul_(limited_up(spec, cache.in));
}

at::Tensor mlp_channels(const MlpSpec& spec, const LayerWeights& weights, const at::Tensor& y, int64_t first,
                        int64_t count) {
  const auto columns = [&](const at::Tensor& t, int64_t dim) { return t.defined() ? t.narrow(dim, first, count) : t; };
  MlpCache in;
  in.slopes = activation_slopes(weights);
  in.in = linear(y, columns(weights.w_in, 1), columns(weights.b_in, 0));
  if (spec.gated) in.gate = linear(y, columns(weights.w_gate, 1), columns(weights.b_gate, 0));
  return mlp_hidden(spec, in);
}

MlpGradients channels_backward(const MlpSpec& spec, const MlpCache& cache, const at::Tensor& d_hidden, Rule rule) {
  if (rule == Rule::kRelevance) return mlp_relevance(spec, cache, d_hidden);
  if (!spec.gated) return {d_hidden, activate_backward(shape_of(spec, cache), d_hidden, cache.in), {}, {}};
  const at::Tensor gate = limited_gate(spec, cache.gate);
  at::Tensor d_gate = activate_backward(shape_of(spec, cache), d_hidden * limited_up(spec, cache.in), gate);
  at::Tensor d_in = activate(shape_of(spec, cache), gate).mul_(d_hidden);
  if (spec.limit) {
    d_gate.masked_fill_(cache.gate > *spec.limit, 0);
    d_in.masked_fill_(cache.in.abs() > *spec.limit, 0);
  }
  return {d_hidden, d_in, d_gate, {}};
}

MlpGradients mlp_backward(const MlpSpec& spec, const LayerWeights& weights, const MlpCache& cache,
                          const at::Tensor& d_out, Rule rule) {
  if (spec.experts.any()) return experts_backward(spec, weights, cache, d_out, rule);
  return channels_backward(spec, cache, at::mm(d_out, weights.w_out.t()), rule);
}

at::Tensor channels_to_input(const LayerWeights& weights, const MlpGradients& g) {
  if (!weights.experts.empty()) return experts_to_input(weights, g);
  at::Tensor d_y = at::mm(g.d_in, weights.w_in.t());
  return g.d_gate.defined() ? d_y.addmm_(g.d_gate, weights.w_gate.t()) : d_y;
}

at::Tensor output_block(const LayerWeights& weights, int64_t blocks, int64_t block) {
  if (weights.experts.empty()) {
    const int64_t width = weights.w_out.size(0) / blocks;
    return weights.w_out.narrow(0, block * width, width);
  }
  const ExpertWeights& w = weights.experts[block];
  return w.b_out.defined() ? at::cat({w.w_out, w.b_out.unsqueeze(0)}) : w.w_out;
}

at::Tensor hidden_to_output(const LayerWeights& weights, const at::Tensor& h) {
  if (weights.experts.empty()) return at::mm(h, weights.w_out);
  const auto count = static_cast<int64_t>(weights.experts.size());
  const int64_t width = h.size(1) / count;
  at::Tensor out = at::mm(h.narrow(1, 0, width), output_block(weights, count, 0));
  for (int64_t e = 1; e < count; ++e) out.addmm_(h.narrow(1, e * width, width), output_block(weights, count, e));
  return out;
}

at::Tensor output_blocks(const LayerWeights& weights, int64_t blocks) {
  if (weights.experts.empty()) return weights.w_out.unflatten(0, {blocks, -1});
  std::vector<at::Tensor> of_expert;
  for (int64_t e = 0; e < blocks; ++e) of_expert.push_back(output_block(weights, blocks, e));
  return at::stack(of_expert);
}

}  // namespace circuit
