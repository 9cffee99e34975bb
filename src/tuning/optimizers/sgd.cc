// SGD with momentum as torch.optim.SGD: g ← g + λw; m ← μm + g (first m = g); w ← w − lr·m.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/zeros.h>

#include "tuning/elementwise.h"
#include "tuning/foreach.h"
#include "tuning/optimizer.h"

namespace circuit {
namespace {

template <class T, class G>
void in_one_pass(const UpdateStep& step, double momentum, const at::Tensor& weight, const at::Tensor& gradient,
                 SliceState* state) {
  const auto lr = static_cast<T>(step.lr);
  const auto decay = static_cast<T>(step.weight_decay);
  const auto scale = static_cast<T>(step.scale);
  const auto keep = static_cast<T>(momentum);
  if (momentum == 0) {
    const auto row = [=](T* __restrict w, const G* __restrict g, int64_t n) {
      for (int64_t i = 0; i < n; ++i) w[i] -= lr * (static_cast<T>(g[i]) * scale + decay * w[i]);
    };
    for_rows<T, G>(row, weight, gradient);
    return;
  }
  const auto row = [=](T* __restrict w, const G* __restrict g, T* __restrict m, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      m[i] = keep * m[i] + (static_cast<T>(g[i]) * scale + decay * w[i]);
      w[i] -= lr * m[i];
    }
  };
  for_rows<T, G>(row, weight, gradient, state->first);
}

void with_operations(const UpdateStep& step, double momentum, const at::Tensor& weight, const at::Tensor& gradient,
                     SliceState* state) {
  if (step.scale != 1) gradient.mul_(step.scale);
  if (step.weight_decay != 0) gradient.add_(weight, step.weight_decay);
  if (momentum == 0) {
    weight.add_(gradient, -step.lr);
    return;
  }
  state->first.mul_(momentum).add_(gradient);
  weight.add_(state->first, -step.lr);
}

void update(const OptimizerSpec& spec, const UpdateStep& step, const at::Tensor& weight, const at::Tensor& gradient,
            SliceState* state) {
  ++state->updates;
  // From zero, the first m is g.
  if (spec.momentum != 0 && !state->first.defined()) state->first = at::zeros(weight.sizes(), weight.options());
  const auto walk = [&](auto w, auto g) {
    in_one_pass<decltype(w), decltype(g)>(step, spec.momentum, weight, gradient, state);
  };
  if (walks_by_rows(weight) && walks_by_rows(gradient) && with_types(weight, gradient, walk)) return;
  with_operations(step, spec.momentum, weight, gradient.to(weight.scalar_type()), state);
}

std::vector<at::Tensor> changes(const OptimizerSpec& spec, const std::vector<SliceUpdate>& updates) {
  std::vector<at::Tensor> g = scaled_gradients(updates);
  for (const SliceUpdate& u : updates) ++u.state->updates;
  decay(updates, g, [](const UpdateStep& step) { return step.weight_decay; });
  std::vector<at::Tensor> moved = g;
  if (spec.momentum != 0) {
    moved = states_of(updates, &SliceState::first, g);
    at::_foreach_mul_(moved, spec.momentum);
    at::_foreach_add_(moved, g, 1);
  }
  return at::_foreach_mul(moved, factors_of(updates, [](const SliceUpdate& u) { return -u.step.lr; }));
}

}  // namespace

Optimizer sgd() { return {"sgd", update, 1, changes}; }

}  // namespace circuit
