// Lists of tensors of many updates, as ATen's foreach operators take them.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "tuning/optimizer.h"

namespace circuit {

// Gradients in the weights' dtype, times their scales.
std::vector<at::Tensor> scaled_gradients(const std::vector<SliceUpdate>& updates);

// A tensor of every state, made of zeros in the gradient's layout where it is not there yet.
std::vector<at::Tensor> states_of(const std::vector<SliceUpdate>& updates, at::Tensor SliceState::*tensor,
                                  const std::vector<at::Tensor>& gradients);

// tensors[i] += factors[i] · others[i], in one kernel for those that lie densely and alike.
void add_scaled(const std::vector<at::Tensor>& tensors, const std::vector<at::Tensor>& others,
                const std::vector<double>& factors);

// Makes all updates in few kernels, each change kept off what its protection has. Returns the changes.
std::vector<at::Tensor> update_together(const Optimizer& optimizer, const OptimizerSpec& spec,
                                        const std::vector<SliceUpdate>& updates);

// One factor each.
template <class Factor>
std::vector<at::Scalar> factors_of(const std::vector<SliceUpdate>& updates, const Factor& factor) {
  std::vector<at::Scalar> factors;
  for (const SliceUpdate& u : updates) factors.emplace_back(factor(u));
  return factors;
}

// to[i] += factor(step of i) · its weight.
template <class Factor>
void decay(const std::vector<SliceUpdate>& updates, const std::vector<at::Tensor>& to, const Factor& factor) {
  std::vector<at::Tensor> weights;
  std::vector<double> factors;
  for (const SliceUpdate& u : updates) {
    weights.push_back(u.weight);
    factors.push_back(factor(u.step));
  }
  add_scaled(to, weights, factors);
}

}  // namespace circuit
