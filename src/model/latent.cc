#include "model/latent.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>

#include "model/mlp.h"
#include "model/norm.h"

namespace circuit {
namespace {

// Of [tokens, kv_rank + rotated], the latent and what rotates.
at::Tensor latent_of(const LayerWeights& w, const at::Tensor& kv) { return kv.narrow(1, 0, w.w_k.size(0)); }
at::Tensor rotated_of(const LayerWeights& w, const at::Tensor& kv) {
  return kv.narrow(1, w.w_k.size(0), kv.size(1) - w.w_k.size(0));
}

// What W_UQ reads, [tokens, q_rank] or y.
at::Tensor query_latent(const LayerWeights& w, const at::Tensor& y, LatentCache* cache) {
  if (!w.latent.q_down.defined()) return y;
  const at::Tensor c = linear(y, w.latent.q_down, w.latent.b_q_down);
  if (cache != nullptr) cache->q = c;
  return norm_forward(w.latent.q_norm, c, cache == nullptr ? nullptr : &cache->q_stats);
}

at::Tensor normed_latent(const LayerWeights& w, const at::Tensor& kv, NormStats* stats) {
  return norm_forward(w.latent.kv_norm, latent_of(w, kv), stats);
}

at::Tensor down_kv(const LayerWeights& w, const at::Tensor& y) {
  return linear(y, w.latent.kv_down, w.latent.b_kv_down);
}

// [tokens, heads, width] × [rank, heads, width] → [tokens, heads, rank]
at::Tensor through_up(const at::Tensor& d, const at::Tensor& up) {
  return at::bmm(d.transpose(0, 1), up.permute({1, 2, 0})).transpose(0, 1);
}

// A norm's backward where every head has a gradient of its own, d [tokens, heads, rank].
at::Tensor through_norm(const NormWeights& norm, const at::Tensor& x, const NormStats& stats, const at::Tensor& d,
                        Rule rule) {
  const NormStats each{{}, stats.rstd.unsqueeze(1), stats.constant};
  return norm_backward(norm, x.unsqueeze(1), each, d, rule);
}

at::Tensor dots(const at::Tensor& x, const at::Tensor& d) { return (x.unsqueeze(1) * d).sum(-1); }

}  // namespace

LatentProjections latent_projections(const LayerWeights& w, const at::Tensor& y, LatentCache* cache) {
  LatentProjections p;
  p.q = linear(query_latent(w, y, cache), w.w_q.flatten(1), {});
  const at::Tensor down = down_kv(w, y);
  if (cache != nullptr) cache->kv = down;
  const int64_t heads = w.w_k.size(1);
  const at::Tensor up =
      linear(normed_latent(w, down, cache == nullptr ? nullptr : &cache->kv_stats), w.latent.kv_up, {})
          .view({y.size(0), heads, -1});
  const int64_t plain = w.w_k.size(2);
  p.k = at::cat({up.narrow(2, 0, plain), rotated_of(w, down).unsqueeze(1).expand({-1, heads, -1})}, 2).flatten(1);
  p.v = up.narrow(2, plain, up.size(2) - plain).flatten(1);
  return p;
}

at::Tensor latent_query(const LayerWeights& w, const at::Tensor& y, int64_t h) {
  return linear(query_latent(w, y, nullptr), w.w_q.select(1, h), {});
}

at::Tensor latent_key(const LayerWeights& w, const at::Tensor& y, int64_t h) {
  const at::Tensor down = down_kv(w, y);
  return at::cat({linear(normed_latent(w, down, nullptr), w.w_k.select(1, h), {}), rotated_of(w, down)}, 1);
}

at::Tensor latent_value(const LayerWeights& w, const at::Tensor& y, int64_t h) {
  return linear(normed_latent(w, down_kv(w, y), nullptr), w.w_v.select(1, h), {});
}

LatentGradients latent_backward(const LayerWeights& w, const LatentCache& cache, const AttentionGradients& heads,
                                Rule rule) {
  LatentGradients g;
  const int64_t plain = w.w_k.size(2);
  const int64_t rotated = heads.d_k.size(2) - plain;
  g.d_q = heads.d_q.flatten(1);
  if (w.latent.q_down.defined()) {
    g.d_q_normed = at::mm(g.d_q, w.w_q.flatten(1).t());
    g.d_q_down = norm_backward(w.latent.q_norm, cache.q, cache.q_stats, g.d_q_normed, rule);
  }
  g.d_kv = at::cat({heads.d_k.narrow(2, 0, plain), heads.d_v}, 2).flatten(1);
  g.d_kv_normed = at::mm(g.d_kv, w.latent.kv_up.t());
  g.d_kv_down = at::cat({norm_backward(w.latent.kv_norm, latent_of(w, cache.kv), cache.kv_stats, g.d_kv_normed, rule),
                         heads.d_k.narrow(2, plain, rotated).sum(1)},
                        1);
  return g;
}

at::Tensor latent_to_input(const LayerWeights& w, const LatentGradients& g) {
  at::Tensor d_y = at::mm(g.d_kv_down, w.latent.kv_down.t());
  if (!w.latent.q_down.defined()) return d_y.addmm_(g.d_q, w.w_q.flatten(1).t());
  return d_y.addmm_(g.d_q_down, w.latent.q_down.t());
}

AttentionGradients latent_readers(const LayerWeights& w, const LatentCache& cache, const AttentionGradients& heads,
                                  Rule rule) {
  AttentionGradients g = heads;
  if (w.latent.q_down.defined()) {
    g.d_q = through_norm(w.latent.q_norm, cache.q, cache.q_stats, through_up(heads.d_q, w.w_q), rule);
    g.q_dot = dots(cache.q, g.d_q);
  }
  const int64_t plain = w.w_k.size(2);
  const auto of_latent = [&](const at::Tensor& d, const at::Tensor& up) {
    return through_norm(w.latent.kv_norm, latent_of(w, cache.kv), cache.kv_stats, through_up(d, up), rule);
  };
  g.d_k = at::cat(
      {of_latent(heads.d_k.narrow(2, 0, plain), w.w_k), heads.d_k.narrow(2, plain, heads.d_k.size(2) - plain)}, 2);
  g.k_dot = dots(cache.kv, g.d_k);
  g.d_v = of_latent(heads.d_v, w.w_v);
  g.v_dot = dots(latent_of(w, cache.kv), g.d_v);
  return g;
}

}  // namespace circuit
