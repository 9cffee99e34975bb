#include "model/blocks/query_key_value.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "model/latent.h"
#include "model/mlp.h"

namespace circuit {
namespace {

// [tokens, heads · d_head] each, as projected.
QueryKeyValue project_qkv(const LayerWeights& w, const at::Tensor& y, LatentCache* cache) {
  if (w.latent.defined()) {
    const LatentProjections p = latent_projections(w, y, cache);
    return {p.q, p.k, p.v};
  }
  const auto bias = [](const at::Tensor& b) { return b.defined() ? b.flatten() : b; };
  const int64_t d_head = w.w_q.size(-1);
  const int64_t kv = w.w_k.numel() / w.w_k.size(0);
  const int64_t q = w.w_q.numel() / w.w_q.size(0);
  if (w.qkv_order == QkvOrder::kSeparate) {
    return {linear(y, w.w_q.flatten(1), bias(w.b_q)), linear(y, w.w_k.flatten(1), bias(w.b_k)),
            linear(y, w.w_v.flatten(1), bias(w.b_v))};
  }
  at::Tensor all = linear(y, w.w_qkv, w.b_qkv);
  if (w.qkv_order == QkvOrder::kIndexed) all = all.index_select(1, w.qkv_columns);
  if (w.qkv_order == QkvOrder::kByHead) {
    const at::Tensor heads = all.view({y.size(0), q / d_head, 3, d_head});
    return {heads.select(2, 0).flatten(1), heads.select(2, 1).flatten(1), heads.select(2, 2).flatten(1)};
  }
  return {all.narrow(1, 0, q), all.narrow(1, q, kv), all.narrow(1, q + kv, kv)};
}

// x within ± clip. of_clipped: gets what was beyond, as QueryKeyNormCache has it.
at::Tensor clipped(const at::Tensor& x, double clip, at::Tensor* of_clipped) {
  at::Tensor within = x.clamp(-clip, clip);
  *of_clipped = at::where(within == x, at::zeros_like(x), within).flatten(1);
  return within;
}

}  // namespace

QueryKeyValue make_qkv(const LayerWeights& weights, const AttentionSpec& spec, const RotaryTable& rotary,
                       const at::Tensor& y, QueryKeyNormCache* cache) {
  const QueryKeyValue projected = project_qkv(weights, y, cache == nullptr ? nullptr : &cache->latent);
  return normed_and_rotated(weights, spec, rotary, projected, cache);
}

at::Tensor project_query(const LayerWeights& w, const at::Tensor& y, int64_t h) {
  return w.latent.defined() ? latent_query(w, y, h) : linear(y, head_weight(w.w_q, h), head_bias(w.b_q, h));
}

at::Tensor project_key(const LayerWeights& w, const at::Tensor& y, int64_t g) {
  return w.latent.defined() ? latent_key(w, y, g) : linear(y, head_weight(w.w_k, g), head_bias(w.b_k, g));
}

at::Tensor project_value(const LayerWeights& w, const at::Tensor& y, int64_t g) {
  return w.latent.defined() ? latent_value(w, y, g) : linear(y, head_weight(w.w_v, g), head_bias(w.b_v, g));
}

at::Tensor to_normed(const NormWeights& norm, const at::Tensor& heads) {
  const int64_t together = norm.weight.size(-1) / heads.size(2);
  if (together == 1) return heads;
  const int64_t copies = heads.size(1) / together;
  return heads.view({heads.size(0), together, copies, -1}).transpose(1, 2).flatten(2);
}

at::Tensor from_normed(const at::Tensor& normed, int64_t d_head) {
  if (normed.size(2) == d_head) return normed;
  return normed.view({normed.size(0), normed.size(1), -1, d_head}).transpose(1, 2).flatten(1, 2);
}

QueryKeyValue normed_and_rotated(const LayerWeights& weights, const AttentionSpec& spec, const RotaryTable& rotary,
                                 QueryKeyValue p, QueryKeyNormCache* cache) {
  if (!weights.q_norm.defined() && !rotary.cos.defined() && !spec.clip) return p;
  QueryKeyNormCache kept;
  if (cache != nullptr) kept.latent = cache->latent;
  const int64_t d_head = weights.w_q.size(-1);
  const auto work = [&](at::Tensor* rows, const NormWeights& norm, at::Tensor* projected, NormStats* stats,
                        at::Tensor* of_clipped) {
    at::Tensor heads = rows->reshape({rows->size(0), -1, d_head});
    if (spec.rotated_first) heads = rotate(heads, rotary, Direction::kForward);
    if (norm.defined()) {
      *projected = to_normed(norm, heads);
      heads = from_normed(norm_forward(norm, *projected, stats), d_head);
    }
    if (spec.clip) heads = clipped(heads, *spec.clip, of_clipped);
    if (!spec.rotated_first) heads = rotate(heads, rotary, Direction::kForward);
    *rows = heads.flatten(1);
  };
  work(&p.q, weights.q_norm, &kept.q, &kept.q_stats, &kept.q_clipped);
  work(&p.k, weights.k_norm, &kept.k, &kept.k_stats, &kept.k_clipped);
  if (spec.clip) p.v = clipped(p.v, *spec.clip, &kept.v_clipped);
  if (cache != nullptr) *cache = kept;
  return p;
}

}  // namespace circuit
