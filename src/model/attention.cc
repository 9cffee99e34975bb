#include "model/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "model/soft_cap.h"
#include "model/wide.h"

namespace circuit {
namespace {

// Scores of one tile: 64 MB in float32, and a backward holds three of that size.
constexpr int64_t kMaxScoreElements = int64_t{1} << 24;
// Queries of a tile, of all heads of a group: wide enough for the products, narrow enough that few of its scores
// belong to keys that come later.
constexpr int64_t kTileQueries = 256;

// [tokens, n·d_head] → [batch · Hk, (n/Hk) · longest, d_head]
at::Tensor to_groups(const at::Tensor& rows, const TokenBatch& batch, int64_t kv_heads, int64_t d_head) {
  const int64_t per_group = rows.size(1) / kv_heads / d_head;
  const at::Tensor grid = to_grid(rows, batch).view({batch.size(), batch.longest, kv_heads, per_group, d_head});
  return grid.permute({0, 2, 3, 1, 4}).reshape({batch.size() * kv_heads, per_group * batch.longest, d_head});
}

// [batch · Hk, per_group · longest, c] → [tokens, Hk · per_group, c]
at::Tensor from_groups(const at::Tensor& groups, const TokenBatch& batch, int64_t kv_heads) {
  const int64_t per_group = groups.size(1) / batch.longest;
  const at::Tensor grid =
      groups.view({batch.size(), kv_heads, per_group, batch.longest, groups.size(2)}).permute({0, 3, 1, 2, 4});
  return from_grid(grid.reshape({batch.size(), batch.longest, kv_heads * per_group, groups.size(2)}), batch);
}

// Scores before the mask, [groups, queries, keys].
at::Tensor attention_scores(const AttentionSpec& spec, const at::Tensor& q, const at::Tensor& k) {
  return soft_cap(at::bmm(q, k.transpose(1, 2)), spec.softcap);
}

// mask [positions, keys]; q holds the positions of every head of a group one after another. The keys begin at position
// `first`; the groups with key/value head `head` of `kv_heads`.
at::Tensor attention_probs(const AttentionSpec& spec, const at::Tensor& q, const at::Tensor& k, const at::Tensor& mask,
                           const at::Tensor& sinks, int64_t first, int64_t head, int64_t kv_heads) {
  at::Tensor scores = attention_scores(spec, q, k);
  at::Tensor groups;  // the key/value head of each
  if (!spec.alibi.empty() || sinks.defined()) {
    groups = at::arange(head, head + scores.size(0), scores.options().dtype(at::kLong)) % kv_heads;
  }
  if (!spec.alibi.empty()) {
    const at::Tensor bias = alibi_bias(spec, first, mask.size(1), scores.options());
    scores.view({scores.size(0), -1, mask.size(0), mask.size(1)})
        .add_(bias.view({kv_heads, -1, 1, mask.size(1)}).index_select(0, groups));
  }
  scores.view({-1, mask.size(0), mask.size(1)}).add_(mask);
  if (!sinks.defined()) return at::softmax(scores, -1);
  const at::Tensor own = sinks.view({kv_heads, -1, 1, 1}).index_select(0, groups).to(scores.scalar_type());
  const at::Tensor beside = own.expand({-1, -1, mask.size(0), 1}).reshape({scores.size(0), scores.size(1), 1});
  // Contiguous: the soft-max's backward takes its output to be so.
  return at::softmax(at::cat({scores, beside}, -1), -1).narrow(-1, 0, scores.size(-1)).contiguous();
}

// Groups and positions worked at a time, and the keys that those positions see.
struct Tile {
  int64_t group, groups;  // first and count
  int64_t query, queries;
  int64_t key, keys;

  // Rows of [G, n · T, c] at the tile's queries: [groups, n · queries, c].
  at::Tensor queries_of(const at::Tensor& all, int64_t longest) const {
    at::Tensor part = all.narrow(0, group, groups);
    if (queries == longest) return part;
    return part.view({groups, -1, longest, all.size(2)}).narrow(2, query, queries).flatten(1, 2);
  }
  // Rows of [G, T, c] at its keys.
  at::Tensor keys_of(const at::Tensor& all) const { return all.narrow(0, group, groups).narrow(1, key, keys); }
  at::Tensor mask(const std::optional<int64_t>& window, const at::TensorOptions& options) const {
    return attention_mask(window, queries, keys, options);
  }
};

template <typename Work>
void for_tiles(const Architecture& architecture, int64_t layer, int64_t groups, int64_t longest, const Work& work) {
  const int64_t heads = architecture.heads_per_kv();
  const std::optional<int64_t> window = architecture.layer(layer).attention.window;
  const int64_t tile = std::min(kTileQueries, longest);
  for (int64_t query = 0; query < longest; query += tile) {
    Tile t{};
    t.query = query;
    t.queries = std::min(tile, longest - query);
    t.key = window ? std::max<int64_t>(0, query - *window + 1) : 0;
    t.keys = query + t.queries - t.key;
    const int64_t part = std::max<int64_t>(1, kMaxScoreElements / (heads * t.queries * t.keys));
    for (t.group = 0; t.group < groups; t.group += part) {
      t.groups = std::min(part, groups - t.group);
      work(t);
    }
  }
}

at::Tensor dot(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum(-1, true); }

}  // namespace

at::Tensor alibi_bias(const AttentionSpec& spec, int64_t first, int64_t count, const at::TensorOptions& options) {
  const auto type = spec.alibi_bf16 ? at::kBFloat16 : wide(at::typeMetaToScalarType(options.dtype()));
  const at::Tensor slopes = at::tensor(spec.alibi, at::kDouble).to(type).view({-1, 1, 1});
  const at::Tensor positions = at::arange(first, first + count, at::kLong).to(type);
  return (slopes * positions).to(options.device(), at::typeMetaToScalarType(options.dtype())).mul_(spec.alibi_factor);
}

at::Tensor attention_mask(const std::optional<int64_t>& window, int64_t queries, int64_t keys,
                          const at::TensorOptions& options) {
  const at::Tensor closed = at::full({queries, keys}, -std::numeric_limits<double>::infinity(), options);
  const int64_t first = keys - queries;  // position of the first query
  at::Tensor mask = closed.triu(first + 1);
  if (window) mask.add_(closed.tril(first - *window));
  return mask;
}

bool keeps_probs(const Architecture& architecture, int64_t longest) {
  return architecture.n_heads * longest <= 4 * architecture.d_model;
}

at::Tensor attention_of_query(const Architecture& architecture, int64_t layer, const TokenBatch& batch,
                              const AttentionCache& cache, int64_t sequence, int64_t position) {
  const int64_t groups = architecture.n_kv_heads;
  const int64_t keys = position + 1;
  // Of every head of a group the one query: [groups, heads per group, d_head].
  const at::Tensor q = cache.q.narrow(0, sequence * groups, groups)
                           .view({groups, architecture.heads_per_kv(), batch.longest, architecture.d_head})
                           .select(2, position);
  const at::Tensor k = cache.k.narrow(0, sequence * groups, groups).narrow(1, 0, keys);
  const AttentionSpec& spec = architecture.layer(layer).attention;
  const at::Tensor mask = attention_mask(spec.window, 1, keys, q.options());
  return attention_probs(spec, q, k, mask, cache.sinks, 0, 0, groups).view({architecture.n_heads, keys});
}

at::Tensor attention_forward(const Architecture& architecture, int64_t layer, const TokenBatch& batch,
                             const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& sinks,
                             AttentionCache* cache) {
  const int64_t kv_heads = architecture.n_kv_heads;
  const int64_t d_head = architecture.d_head;
  const int64_t longest = batch.longest;
  AttentionCache kept;
  kept.sinks = sinks;
  kept.q = to_groups(q, batch, kv_heads, d_head) * architecture.score_scale(layer);
  kept.k = to_groups(k, batch, kv_heads, d_head);
  kept.v = to_groups(v, batch, kv_heads, architecture.value_width());
  // Rows after the last real token of a sequence are never read back, and no earlier row looks at them: the
  // mask is all that right padding needs.
  const AttentionSpec& spec = architecture.layer(layer).attention;
  at::Tensor z;
  if (cache != nullptr && keeps_probs(architecture, longest)) {
    kept.probs = attention_probs(spec, kept.q, kept.k, attention_mask(spec.window, longest, longest, q.options()),
                                 sinks, 0, 0, kv_heads);
    z = at::bmm(kept.probs, kept.v);
  } else {
    const int64_t width = architecture.value_width();
    z = at::empty({kept.q.size(0), kept.q.size(1), width}, kept.q.options());
    const at::Tensor by_head = z.view({z.size(0), -1, longest, width});
    for_tiles(architecture, layer, z.size(0), longest, [&](const Tile& t) {
      const at::Tensor probs = attention_probs(spec, t.queries_of(kept.q, longest), t.keys_of(kept.k),
                                               t.mask(spec.window, q.options()), sinks, t.key, t.group, kv_heads);
      by_head.narrow(0, t.group, t.groups)
          .narrow(2, t.query, t.queries)
          .copy_(at::bmm(probs, t.keys_of(kept.v)).view({t.groups, -1, t.queries, width}));
    });
  }
  if (cache != nullptr) *cache = kept;
  return from_groups(z, batch, kv_heads).reshape({batch.tokens(), -1});
}

namespace {

// Soft-max of half the scores from that of the scores: √p, made to add up. sinks: what the keys leave is a sink's.
at::Tensor warmer(const at::Tensor& probs, bool sinks) {
  const at::Tensor root = wide(probs).sqrt();
  at::Tensor sum = root.sum(-1, true);
  if (sinks) sum = sum + (1 - wide(probs).sum(-1, true)).clamp_min(0).sqrt();
  return (root / sum).to(probs.scalar_type());
}

// Gradients of one tile, added to d_k and d_v: [G, T, c], or per query head [G, R, T, c], and put into d_sinks,
// [G, R, T], where there are sinks. Returns that at its queries, [groups, R · queries, c].
at::Tensor tile_backward(const AttentionSpec& spec, const AttentionCache& cache, const at::Tensor& d_out, const Tile& t,
                         const at::Tensor& probs, const at::Tensor& d_k, const at::Tensor& d_v,
                         const at::Tensor& d_sinks, Rule rule) {
  const int64_t longest = cache.k.size(1);
  const at::Tensor q = t.queries_of(cache.q, longest);
  const at::Tensor k = t.keys_of(cache.k);
  const at::Tensor d = t.queries_of(d_out, longest);
  const at::Tensor d_probs = at::bmm(d, t.keys_of(cache.v).transpose(1, 2));
  if (d_sinks.defined()) {
    // A sink has the share that keys do not, and no gradient of its own: ∂s = −p_s Σ p ∂p.
    const at::Tensor of_tile = ((probs.sum(-1) - 1) * (probs * d_probs).sum(-1)).view({t.groups, -1, t.queries});
    d_sinks.narrow(0, t.group, t.groups).narrow(2, t.query, t.queries).copy_(of_tile);
  }
  const at::Tensor at_which = rule == Rule::kInteraction ? warmer(probs, cache.sinks.defined()) : probs;
  const at::Tensor d_scores = at::_softmax_backward_data(d_probs, at_which, -1, probs.scalar_type());
  // Capped scores are made again: only Gemma 2 has a cap.
  if (const auto& cap = spec.softcap) {
    d_scores.mul_(soft_cap_slope(attention_scores(spec, q, k), *cap));
  }
  const auto add = [&](const at::Tensor& sum, const at::Tensor& weights, const at::Tensor& rows) {
    const at::Tensor target = sum.narrow(0, t.group, t.groups).narrow(-2, t.key, t.keys);
    if (sum.dim() == 3) {
      target.add_(at::bmm(weights.transpose(1, 2), rows));
      return;
    }
    // One block of keys per query head; the group's gradient is the sum of its heads'.
    const at::Tensor blocks = weights.view({-1, t.queries, t.keys}).transpose(1, 2);
    target.add_(at::bmm(blocks, rows.reshape({-1, t.queries, rows.size(2)})).view(target.sizes()));
  };
  add(d_k, d_scores, q);
  add(d_v, probs, d);
  return at::bmm(d_scores, k);
}

}  // namespace

AttentionGradients attention_backward(const Architecture& architecture, int64_t layer, const TokenBatch& batch,
                                      const AttentionCache& cache, const at::Tensor& d_z, KeyValueGradients form,
                                      Rule rule) {
  const AttentionSpec& spec = architecture.layer(layer).attention;
  const int64_t kv_heads = architecture.n_kv_heads;
  const int64_t longest = batch.longest;
  const int64_t groups = cache.k.size(0);
  const int64_t per_group = cache.q.size(1) / longest;
  const int64_t d_head = architecture.d_head;
  const at::Tensor d_out = to_groups(d_z, batch, kv_heads, architecture.value_width());  // [G, R·T, value_width]
  const bool grouped = form == KeyValueGradients::kGrouped || per_group == 1;
  const auto zeros = [&](int64_t width) {
    return grouped ? at::zeros({groups, longest, width}, cache.k.options())
                   : at::zeros({groups, per_group, longest, width}, cache.k.options());
  };
  at::Tensor d_k = zeros(d_head);
  at::Tensor d_v = zeros(architecture.value_width());
  at::Tensor d_q;
  at::Tensor d_sinks;
  if (cache.sinks.defined()) d_sinks = at::zeros({groups, per_group, longest}, cache.k.options());
  if (cache.probs.defined()) {
    d_q = tile_backward(spec, cache, d_out, {0, groups, 0, longest, 0, longest}, cache.probs, d_k, d_v, d_sinks, rule);
  } else {
    d_q = at::empty_like(cache.q);
    const at::Tensor by_head = d_q.view({groups, -1, longest, d_head});
    for_tiles(architecture, layer, groups, longest, [&](const Tile& t) {
      const at::Tensor probs =
          attention_probs(spec, t.queries_of(cache.q, longest), t.keys_of(cache.k),
                          t.mask(spec.window, cache.q.options()), cache.sinks, t.key, t.group, kv_heads);
      by_head.narrow(0, t.group, t.groups)
          .narrow(2, t.query, t.queries)
          .copy_(tile_backward(spec, cache, d_out, t, probs, d_k, d_v, d_sinks, rule)
                     .view({t.groups, -1, t.queries, d_head}));
    });
  }
  if (rule == Rule::kInteraction) {
    d_q.mul_(0.25);
    d_k.mul_(0.25);
    d_v.mul_(0.5);
  }
  at::Tensor k = cache.k;
  at::Tensor v = cache.v;
  if (!grouped) {
    d_k = d_k.flatten(1, 2);
    d_v = d_v.flatten(1, 2);
    k = k.repeat({1, per_group, 1});
    v = v.repeat({1, per_group, 1});
  }
  AttentionGradients g;
  g.q_dot = from_groups(dot(cache.q, d_q), batch, kv_heads).squeeze(-1);
  g.k_dot = from_groups(dot(k, d_k), batch, kv_heads).squeeze(-1);
  g.v_dot = from_groups(dot(v, d_v), batch, kv_heads).squeeze(-1);
  g.d_q = from_groups(d_q * architecture.score_scale(layer), batch, kv_heads);
  g.d_k = from_groups(d_k, batch, kv_heads);
  g.d_v = from_groups(d_v, batch, kv_heads);
  if (d_sinks.defined()) g.d_sinks = from_groups(d_sinks.flatten(1).unsqueeze(-1), batch, kv_heads).squeeze(-1);
  return g;
}

}  // namespace circuit
