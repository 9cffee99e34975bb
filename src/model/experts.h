// MLPs of several experts, of which a router chooses some for each token (ExpertsSpec), forward and backward.
//   r = y W_r + b_r    g: the gates that the router's kind makes of r, zero for experts that are not chosen
//   h_e = g_e · (the channels of expert e)    out = Σ_e h_e W_out,e (+ g_e b_out,e)
// An expert is worked at the tokens that visit it alone. Which experts are chosen is no part of a gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/mlp.h"

namespace circuit {

struct Routing {
  at::Tensor logits;  // [tokens, routed (+ 1)]
  at::Tensor gates;   // [tokens, experts], in the dtype of y
};
Routing route(const MlpSpec& spec, const RouterWeights& router, const at::Tensor& y);

// As mlp_forward, mlp_hidden and mlp_backward.
at::Tensor experts_forward(const MlpSpec& spec, const LayerWeights& weights, const at::Tensor& y, MlpCache* cache,
                           at::Tensor* hidden);
at::Tensor experts_hidden(const MlpSpec& spec, const MlpCache& cache);
MlpGradients experts_backward(const MlpSpec& spec, const LayerWeights& weights, const MlpCache& cache,
                              const at::Tensor& d_out, Rule rule);

// h of one expert from y, both [tokens, …], with the gate that it has there, [tokens].
at::Tensor expert_channels(const MlpSpec& spec, const ExpertWeights& expert, const at::Tensor& y,
                           const at::Tensor& gate);

at::Tensor experts_to_input(const LayerWeights& weights, const MlpGradients& gradients);

}  // namespace circuit
