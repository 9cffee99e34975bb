#include "model/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/triu.h>

#include <algorithm>
#include <limits>

#include "model/soft_cap.h"

namespace circuit {
namespace {

// Scores of one part of the batch, when nothing is kept for a backward.
constexpr int64_t kMaxScoreElements = int64_t{1} << 25;

// [tokens, n·d_head] → [batch · Hk, (n/Hk) · longest, d_head]
at::Tensor to_groups(const at::Tensor& rows, const TokenBatch& batch, int64_t kv_heads, int64_t d_head) {
  const int64_t per_group = rows.size(1) / kv_heads / d_head;
  const at::Tensor grid =
      to_grid(rows, batch).view({batch.size(), batch.longest, kv_heads, per_group, d_head});
  return grid.permute({0, 2, 3, 1, 4}).reshape({batch.size() * kv_heads, per_group * batch.longest, d_head});
}

// [batch · Hk, per_group · longest, c] → [tokens, Hk · per_group, c]
at::Tensor from_groups(const at::Tensor& groups, const TokenBatch& batch, int64_t kv_heads) {
  const int64_t per_group = groups.size(1) / batch.longest;
  const at::Tensor grid =
      groups.view({batch.size(), kv_heads, per_group, batch.longest, groups.size(2)}).permute({0, 3, 1, 2, 4});
  return from_grid(grid.reshape({batch.size(), batch.longest, kv_heads * per_group, groups.size(2)}), batch);
}

// Scores before the mask, [G, R·T, T].
at::Tensor attention_scores(const Architecture& architecture, const at::Tensor& q, const at::Tensor& k) {
  return soft_cap(at::bmm(q, k.transpose(1, 2)), architecture.attn_softcap);
}

at::Tensor attention_probs(const Architecture& architecture, const at::Tensor& q, const at::Tensor& k,
                           const at::Tensor& mask) {
  at::Tensor scores = attention_scores(architecture, q, k);
  const int64_t longest = k.size(1);
  scores.view({-1, longest, longest}).add_(mask);
  return at::softmax(scores, -1);
}

at::Tensor dot(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum(-1, true); }

}  // namespace

at::Tensor attention_mask(const std::optional<int64_t>& window, int64_t queries, int64_t keys,
                          const at::TensorOptions& options) {
  const at::Tensor closed = at::full({queries, keys}, -std::numeric_limits<double>::infinity(), options);
  const int64_t first = keys - queries;  // position of the first query
  at::Tensor mask = closed.triu(first + 1);
  if (window) mask.add_(closed.tril(first - *window));
  return mask;
}

at::Tensor attention_forward(const Architecture& architecture, int64_t layer, const TokenBatch& batch,
                             const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, AttentionCache* cache) {
  const int64_t kv_heads = architecture.n_kv_heads;
  const int64_t d_head = architecture.d_head;
  const at::Tensor q_groups = to_groups(q, batch, kv_heads, d_head) * architecture.score_scale();
  const at::Tensor k_groups = to_groups(k, batch, kv_heads, d_head);
  const at::Tensor v_groups = to_groups(v, batch, kv_heads, d_head);
  // Rows after the last real token of a sequence are never read back, and no earlier row looks at them: the
  // mask is all that right padding needs.
  const at::Tensor mask = attention_mask(architecture.window_of(layer), batch.longest, batch.longest, q.options());
  if (cache != nullptr) {
    const at::Tensor probs = attention_probs(architecture, q_groups, k_groups, mask);
    *cache = {q_groups, k_groups, v_groups, probs};
    return from_groups(at::bmm(probs, v_groups), batch, kv_heads).reshape({batch.tokens(), -1});
  }
  const int64_t groups = q_groups.size(0);
  const int64_t part = std::max<int64_t>(1, kMaxScoreElements / (q_groups.size(1) * batch.longest));
  std::vector<at::Tensor> parts;
  for (int64_t first = 0; first < groups; first += part) {
    const int64_t count = std::min(part, groups - first);
    const at::Tensor probs =
        attention_probs(architecture, q_groups.narrow(0, first, count), k_groups.narrow(0, first, count), mask);
    parts.push_back(at::bmm(probs, v_groups.narrow(0, first, count)));
  }
  const at::Tensor z = parts.size() == 1 ? parts[0] : at::cat(parts, 0);
  return from_groups(z, batch, kv_heads).reshape({batch.tokens(), -1});
}

AttentionGradients attention_backward(const Architecture& architecture, const TokenBatch& batch,
                                      const AttentionCache& cache, const at::Tensor& d_z, KeyValueGradients form) {
  const int64_t kv_heads = architecture.n_kv_heads;
  const int64_t longest = batch.longest;
  const int64_t per_group = cache.q.size(1) / longest;
  const at::Tensor d_out = to_groups(d_z, batch, kv_heads, architecture.d_head);  // [G, R·T, d_head]
  const at::Tensor d_probs = at::bmm(d_out, cache.v.transpose(1, 2));
  at::Tensor d_scores = at::_softmax_backward_data(d_probs, cache.probs, -1, cache.probs.scalar_type());
  // Capped scores are made again: the cache holds probabilities, and only Gemma 2 has a cap.
  if (const auto& cap = architecture.attn_softcap) {
    d_scores.mul_(soft_cap_slope(attention_scores(architecture, cache.q, cache.k), *cap));
  }
  const at::Tensor d_q = at::bmm(d_scores, cache.k);
  at::Tensor d_k;
  at::Tensor d_v;
  at::Tensor k = cache.k;
  at::Tensor v = cache.v;
  if (form == KeyValueGradients::kGrouped || per_group == 1) {
    d_k = at::bmm(d_scores.transpose(1, 2), cache.q);
    d_v = at::bmm(cache.probs.transpose(1, 2), d_out);
  } else {
    // One [T, T] block per query head; the group's gradient is the sum of its heads'.
    const auto per_head = [&](const at::Tensor& weights, const at::Tensor& rows) {
      const at::Tensor blocks = weights.view({-1, longest, longest}).transpose(1, 2);
      return at::bmm(blocks, rows.reshape({-1, longest, rows.size(2)})).view({-1, per_group * longest, rows.size(2)});
    };
    d_k = per_head(d_scores, cache.q);
    d_v = per_head(cache.probs, d_out);
    k = k.repeat({1, per_group, 1});
    v = v.repeat({1, per_group, 1});
  }
  AttentionGradients g;
  g.q_dot = from_groups(dot(cache.q, d_q), batch, kv_heads).squeeze(-1);
  g.k_dot = from_groups(dot(k, d_k), batch, kv_heads).squeeze(-1);
  g.v_dot = from_groups(dot(v, d_v), batch, kv_heads).squeeze(-1);
  g.d_q = from_groups(d_q * architecture.score_scale(), batch, kv_heads);
  g.d_k = from_groups(d_k, batch, kv_heads);
  g.d_v = from_groups(d_v, batch, kv_heads);
  return g;
}

}  // namespace circuit
