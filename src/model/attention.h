// Causal attention with grouped key/value heads, forward and backward, on rows of tokens.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/architecture.h"
#include "model/rule.h"
#include "model/token_batch.h"

namespace circuit {

// What the backward needs. G = batch · n_kv_heads, R = heads per key/value head, T = longest sequence.
// Of long sequences the probabilities are not kept: the backward makes them again, tile by tile.
struct AttentionCache {
  at::Tensor q;      // [G, R·T, d_head], rotated and times the score scale, 1/√d_head
  at::Tensor k, v;   // [G, T, d_head], k rotated; v [G, T, value_width]
  at::Tensor probs;  // [G, R·T, T]; undefined: not kept
  at::Tensor sinks;  // [n_heads] as given; undefined: none
};

// Whether a backward's cache holds the probabilities of sequences of this length: while they are not most of it.
bool keeps_probs(const Architecture& architecture, int64_t longest);

// What ALiBi adds to scores of keys first … first + count − 1: [heads, 1, count], a multiple of the key's position.
at::Tensor alibi_bias(const AttentionSpec& spec, int64_t first, int64_t count, const at::TensorOptions& options);

// [queries, keys] to add to scores: 0 where a query may look, −∞ after it and before its window, if any. The
// queries are the last of the keys.
at::Tensor attention_mask(const std::optional<int64_t>& window, int64_t queries, int64_t keys,
                          const at::TensorOptions& options);

// q [tokens, H·d_head], k [tokens, Hk·d_head], rotated, v [tokens, Hk·value_width] → z [tokens, H·value_width].
// sinks [n_heads]: what stands beside every query's scores in the soft-max without a value; undefined: nothing.
// cache null: nothing is kept. Unless probabilities are kept, tiles of queries against the keys they see are worked
// one after another, so that the scores stay small.
at::Tensor attention_forward(const Architecture& architecture, int64_t layer, const TokenBatch& batch,
                             const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& sinks,
                             AttentionCache* cache);

// Where one query looks: [n_heads, position + 1], each row adds up to 1, less what a sink took. cache: of a forward
// that kept a backward.
at::Tensor attention_of_query(const Architecture& architecture, int64_t layer, const TokenBatch& batch,
                              const AttentionCache& cache, int64_t sequence, int64_t position);

struct AttentionGradients {
  at::Tensor d_q;  // [tokens, H, d_head] of the rotated q
  at::Tensor d_k;  // [tokens, Hk, d_head]; per query head: [tokens, H, d_head], its share
  at::Tensor d_v;  // as d_k, of value_width
  // ⟨q, ∂q⟩ per token and head, and so on: what x̂-components of the readers' gradients are made of.
  at::Tensor q_dot, k_dot, v_dot;  // [tokens, heads]
  at::Tensor d_sinks;              // [tokens, H]; undefined: there are none
};

enum class KeyValueGradients { kGrouped, kPerQueryHead };
// rule: kInteraction, or the gradient as it is.
AttentionGradients attention_backward(const Architecture& architecture, int64_t layer, const TokenBatch& batch,
                                      const AttentionCache& cache, const at::Tensor& d_z, KeyValueGradients form,
                                      Rule rule = Rule::kGradient);

}  // namespace circuit
