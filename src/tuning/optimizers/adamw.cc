// AdamW (Loshchilov, Hutter 2019): decoupled decay, bias correction by the slice's own update count.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "tuning/elementwise.h"
#include "tuning/foreach.h"
#include "tuning/optimizer.h"

namespace circuit {
namespace {

// w ← (1 − lr λ) w − lr/c₁ · m / (√v / √c₂ + ε), with c = 1 − β^t. With curvature κ and general text's Fisher
// information F the root is √(v / c₂ + κ F): what general text bends at moves less.
struct Factors {
  double keep, scale, beta1, beta2, rate, root, epsilon, curvature;
};

template <class T, class G>
void in_one_pass(const Factors& f, const at::Tensor& weight, const at::Tensor& gradient, SliceState* state) {
  const auto keep = static_cast<T>(f.keep);
  const auto scale = static_cast<T>(f.scale);
  const auto beta1 = static_cast<T>(f.beta1);
  const auto beta2 = static_cast<T>(f.beta2);
  const auto rest1 = static_cast<T>(1 - f.beta1);
  const auto rest2 = static_cast<T>(1 - f.beta2);
  const auto rate = static_cast<T>(f.rate);
  const auto root = static_cast<T>(f.root);
  const auto epsilon = static_cast<T>(f.epsilon);
  const auto row = [=](T* __restrict w, const G* __restrict gradients, T* __restrict m, T* __restrict v, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const T g = static_cast<T>(gradients[i]) * scale;
      m[i] = beta1 * m[i] + rest1 * g;
      v[i] = beta2 * v[i] + rest2 * g * g;
      w[i] = keep * w[i] - rate * m[i] / (std::sqrt(v[i]) * root + epsilon);
    }
  };
  for_rows<T, G>(row, weight, gradient, state->first, state->second);
}

void with_operations(const Factors& f, const at::Tensor& weight, const at::Tensor& gradient, SliceState* state) {
  if (f.scale != 1) gradient.mul_(f.scale);
  state->first.mul_(f.beta1).add_(gradient, 1 - f.beta1);
  state->second.mul_(f.beta2).addcmul_(gradient, gradient, 1 - f.beta2);
  const bool bends = f.curvature > 0 && state->general.defined();
  const at::Tensor denominator =
      bends ? (state->second * (f.root * f.root)).add_(state->general, f.curvature).sqrt_().add_(f.epsilon)
            : state->second.sqrt().mul_(f.root).add_(f.epsilon);
  weight.mul_(f.keep).addcdiv_(state->first, denominator, -f.rate);
}

void update(const OptimizerSpec& spec, const UpdateStep& step, const at::Tensor& weight, const at::Tensor& gradient,
            SliceState* state) {
  if (!state->first.defined()) {
    state->first = at::zeros(weight.sizes(), weight.options());
    state->second = at::zeros(weight.sizes(), weight.options());
  }
  ++state->updates;
  const auto t = static_cast<double>(state->updates);
  const Factors f{1 - step.lr * step.weight_decay,
                  step.scale,
                  spec.beta1,
                  spec.beta2,
                  step.lr / (1 - std::pow(spec.beta1, t)),
                  1 / std::sqrt(1 - std::pow(spec.beta2, t)),
                  spec.epsilon,
                  spec.curvature};
  const auto walk = [&](auto w, auto g) { in_one_pass<decltype(w), decltype(g)>(f, weight, gradient, state); };
  const bool bends = spec.curvature > 0 && state->general.defined();
  if (!bends && walks_by_rows(weight) && walks_by_rows(gradient) && with_types(weight, gradient, walk)) return;
  with_operations(f, weight, gradient.to(weight.scalar_type()), state);
}

std::vector<at::Tensor> changes(const OptimizerSpec& spec, const std::vector<SliceUpdate>& updates) {
  const std::vector<at::Tensor> g = scaled_gradients(updates);
  const std::vector<at::Tensor> first = states_of(updates, &SliceState::first, g);
  const std::vector<at::Tensor> second = states_of(updates, &SliceState::second, g);
  for (const SliceUpdate& u : updates) ++u.state->updates;
  const auto corrected = [](double beta, const SliceUpdate& u) {
    return 1 - std::pow(beta, static_cast<double>(u.state->updates));
  };
  at::_foreach_mul_(first, spec.beta1);
  at::_foreach_add_(first, g, 1 - spec.beta1);
  at::_foreach_mul_(second, spec.beta2);
  at::_foreach_addcmul_(second, g, g, 1 - spec.beta2);
  std::vector<at::Tensor> roots;
  if (spec.curvature > 0) {
    roots = at::_foreach_mul(
        second, factors_of(updates, [&](const SliceUpdate& u) { return at::Scalar(1 / corrected(spec.beta2, u)); }));
    for (size_t i = 0; i < updates.size(); ++i) {
      const at::Tensor& general = updates[i].state->general;
      if (general.defined()) roots[i].add_(general, spec.curvature);
    }
    at::_foreach_sqrt_(roots);
  } else {
    roots = at::_foreach_sqrt(second);
    at::_foreach_mul_(
        roots, factors_of(updates, [&](const SliceUpdate& u) { return 1 / std::sqrt(corrected(spec.beta2, u)); }));
  }
  at::_foreach_add_(roots, spec.epsilon);
  std::vector<at::Tensor> change = at::_foreach_div(first, roots);
  at::_foreach_mul_(change,
                    factors_of(updates, [&](const SliceUpdate& u) { return -u.step.lr / corrected(spec.beta1, u); }));
  decay(updates, change, [](const UpdateStep& step) { return -step.lr * step.weight_decay; });
  return change;
}

}  // namespace

Optimizer adamw() { return {"adamw", update, 2, changes}; }

}  // namespace circuit
