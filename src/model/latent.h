// Latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): queries, and keys with values, are made of narrow
// vectors that all heads share, each with a norm of its own.
//   c = y W_DQ           q_h = norm(c) W_UQ,h          without a rank of queries q_h = y W_UQ,h
//   [c, r] = y W_DKV     k_h = [norm(c) W_UK,h, r]     v_h = norm(c) W_UV,h
// r, the last channels of every key, is what rotates.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/backward.h"
#include "model/model.h"
#include "model/rule.h"

namespace circuit {

// Of all heads, as projected: before the rotation. y [tokens, d_model]; q and k [tokens, H · d_head],
// v [tokens, H · d_value]. cache null: nothing is kept.
struct LatentProjections {
  at::Tensor q, k, v;
};
LatentProjections latent_projections(const LayerWeights& weights, const at::Tensor& y, LatentCache* cache);

// Of one head alone: [tokens, d_head], [tokens, d_head], [tokens, d_value].
at::Tensor latent_query(const LayerWeights& weights, const at::Tensor& y, int64_t h);
at::Tensor latent_key(const LayerWeights& weights, const at::Tensor& y, int64_t h);
at::Tensor latent_value(const LayerWeights& weights, const at::Tensor& y, int64_t h);

// From the gradients at every head's q, k and v as projected.
LatentGradients latent_backward(const LayerWeights& weights, const LatentCache& cache, const AttentionGradients& heads,
                                Rule rule);
// The gradient at y, [tokens, d_model].
at::Tensor latent_to_input(const LayerWeights& weights, const LatentGradients& gradients);

// A head's readers make latents of their own from the stream that they read. Their gradients at what is linear in y,
// with the dots that go with them: d_q [tokens, H, q_rank] (without a rank as given), d_k [tokens, H, kv_rank +
// rotated] and d_v [tokens, H, kv_rank].
AttentionGradients latent_readers(const LayerWeights& weights, const LatentCache& cache,
                                  const AttentionGradients& heads, Rule rule);

}  // namespace circuit
