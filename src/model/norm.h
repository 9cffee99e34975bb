// LayerNorm and RMSNorm over the last dimension, forward and backward. Weights of a norm by head are [heads, d], x then
// [tokens, heads, d], or with several of each head side by side [tokens, heads · copies, d].
//   LayerNorm: y = γ ⊙ (x − mean) · rstd + β     RMSNorm: y = γ ⊙ x · rstd     none: y = x
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"
#include "model/rule.h"

namespace circuit {

// Statistics of one run, kept for the backward. [tokens, 1], float32 at least; mean undefined for RMSNorm.
struct NormStats {
  at::Tensor mean, rstd;
  bool constant = false;  // rstd is 1 whatever x is: there is no norm
};

// γ. Where an offset is added, in float32 at least: BF16 would round it away. Made anew at every call, so that it
// follows a weight that tuning changes in place.
at::Tensor norm_scale(const NormWeights& weights);
// β; undefined: none.
at::Tensor norm_shift(const NormWeights& weights);

// As take_rows of a tensor.
NormStats take_rows(const NormStats& stats, const at::Tensor& rows);

// x [tokens, d_model] → y of the same shape and dtype; statistics into `stats` unless null.
at::Tensor norm_forward(const NormWeights& weights, const at::Tensor& x, NormStats* stats);

// The same, or x itself where there is no such norm.
at::Tensor post_norm_forward(const NormWeights& weights, const at::Tensor& x, NormStats* stats);

// x̂ = (x − mean) · rstd.
at::Tensor norm_standardised(const at::Tensor& x, const NormStats& stats);

// y again, from the statistics.
at::Tensor norm_output(const NormWeights& weights, const at::Tensor& x, const NormStats& stats);

// ∂/∂x from ∂/∂y; [tokens, d_model] each.
at::Tensor norm_backward(const NormWeights& weights, const at::Tensor& x, const NormStats& stats, const at::Tensor& d_y,
                         Rule rule = Rule::kGradient);

}  // namespace circuit
