// The MLP between its norm and the residual stream, forward and backward.
//   plain: h = act(y W_in + b_in)    gated: h = act(y W_gate + b_gate) ⊙ (y W_in + b_in)    out = h W_out
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"
#include "model/rule.h"

namespace circuit {

// With experts, what they read and whether a token visits them is model/experts.h's.
struct MlpCache {
  at::Tensor in;    // [tokens, d_mlp] before the activation; gated: the up projection
  at::Tensor gate;  // [tokens, d_mlp] before the activation; undefined without a gate
  // Experts only: the router's logits [tokens, routed (+ 1 of the shared ones' gate)], and every expert's gate,
  // [tokens, experts], zero where a token does not visit it. in and gate are zero there too.
  at::Tensor logits, gates;
  at::Tensor slopes;  // [2], kXielu's α_p and α_n; undefined: the activation has none
};

MlpCache take_rows(const MlpCache& cache, const at::Tensor& rows);

// y [tokens, d_model] → output without the output bias. cache null: nothing is kept. hidden, unless null:
// gets h, [tokens, d_mlp].
at::Tensor mlp_forward(const MlpSpec& spec, const LayerWeights& weights, const at::Tensor& y, MlpCache* cache,
                       at::Tensor* hidden = nullptr);

// α_p and α_n of a layer whose activation has them; undefined otherwise. [2], float32 at least.
at::Tensor activation_slopes(const LayerWeights& weights);

// Gradients at slope_p and slope_n from that at h, [tokens, 1] each.
struct SlopeGradients {
  at::Tensor d_p, d_n;
};
SlopeGradients slope_gradients(const LayerWeights& weights, const at::Tensor& in, const at::Tensor& d_hidden);

// h, the input of W_out, again from the cache. [tokens, d_mlp]
at::Tensor mlp_hidden(const MlpSpec& spec, const MlpCache& cache);

// h of channels first … first + count − 1 alone, [tokens, count], from y [tokens, d_model].
at::Tensor mlp_channels(const MlpSpec& spec, const LayerWeights& weights, const at::Tensor& y, int64_t first,
                        int64_t count);

struct MlpGradients {
  at::Tensor d_hidden;  // [tokens, d_mlp] at h
  at::Tensor d_in;      // [tokens, d_mlp]
  at::Tensor d_gate;    // [tokens, d_mlp] or undefined
  at::Tensor d_logits;  // experts: as MlpCache::logits
};
// mlp_backward from the gradient at h, per channel and without experts' gates.
MlpGradients channels_backward(const MlpSpec& spec, const MlpCache& cache, const at::Tensor& d_hidden, Rule rule);

MlpGradients mlp_backward(const MlpSpec& spec, const LayerWeights& weights, const MlpCache& cache,
                          const at::Tensor& d_out, Rule rule = Rule::kGradient);

// The gradient at y, the MLP's input: through its channels; and through its router, undefined where it has none.
at::Tensor channels_to_input(const LayerWeights& weights, const MlpGradients& gradients);
at::Tensor router_to_input(const LayerWeights& weights, const MlpGradients& gradients);

// What h writes, without the output bias: h W_out, of experts summed. h [tokens, d_mlp], or of some blocks' channels
// alone: block `first` and `count` of them, [tokens, count · width].
at::Tensor hidden_to_output(const LayerWeights& weights, const at::Tensor& h);

// W_out of one of `blocks` equal blocks of channels, [width, d_model]: a view, but where an expert's output has a bias.
at::Tensor output_block(const LayerWeights& weights, int64_t blocks, int64_t block);

// Of all of them, [blocks, width, d_model]: a view, or of experts a copy, which is for what is made once.
at::Tensor output_blocks(const LayerWeights& weights, int64_t blocks);

// x W + b through mm and an in-place sum: addmm copies its bias on one thread only.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace circuit
