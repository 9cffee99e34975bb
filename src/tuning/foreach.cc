#include "tuning/foreach.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/zeros_like.h>

#include <map>

#include "tuning/null_space.h"

namespace circuit {

std::vector<at::Tensor> scaled_gradients(const std::vector<SliceUpdate>& updates) {
  std::vector<at::Tensor> gradients;
  bool scaled = false;
  for (const SliceUpdate& u : updates) {
    gradients.push_back(u.gradient.to(u.weight.scalar_type()));
    scaled = scaled || u.step.scale != 1;
  }
  // All are clipped by one factor.
  if (scaled) at::_foreach_mul_(gradients, updates[0].step.scale);
  return gradients;
}

void add_scaled(const std::vector<at::Tensor>& tensors, const std::vector<at::Tensor>& others,
                const std::vector<double>& factors) {
  // By factor: a foreach addition takes one.
  std::map<double, std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>>> dense;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& to = tensors[i];
    const at::Tensor& other = others[i];
    if (factors[i] == 0) continue;
    if (to.is_non_overlapping_and_dense() && other.is_non_overlapping_and_dense() && to.strides() == other.strides()) {
      dense[factors[i]].first.push_back(to);
      dense[factors[i]].second.push_back(other);
    } else {
      to.add_(other, factors[i]);
    }
  }
  for (const auto& [factor, lists] : dense) at::_foreach_add_(lists.first, lists.second, factor);
}

std::vector<at::Tensor> update_together(const Optimizer& optimizer, const OptimizerSpec& spec,
                                        const std::vector<SliceUpdate>& updates) {
  std::vector<at::Tensor> changes = optimizer.changes(spec, updates);
  std::vector<at::Tensor> weights;
  for (size_t i = 0; i < updates.size(); ++i) {
    if (updates[i].protection != nullptr) take_away(*updates[i].protection, changes[i]);
    weights.push_back(updates[i].weight);
  }
  add_scaled(weights, changes, std::vector<double>(updates.size(), 1));
  return changes;
}

std::vector<at::Tensor> states_of(const std::vector<SliceUpdate>& updates, at::Tensor SliceState::*tensor,
                                  const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> states;
  for (size_t i = 0; i < updates.size(); ++i) {
    at::Tensor& state = updates[i].state->*tensor;
    if (!state.defined()) state = at::zeros_like(gradients[i]);
    states.push_back(state);
  }
  return states;
}

}  // namespace circuit
