#include "model/forward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/scalar_tensor.h>

#include "model/head.h"
#include "model/rows.h"

namespace circuit {
namespace {

bool keeps_backward(Keep keep) { return keep == Keep::kBackward || keep == Keep::kBackwardAndNodeOutputs; }
bool keeps_nodes(Keep keep) { return keep == Keep::kNodeOutputs || keep == Keep::kBackwardAndNodeOutputs; }

// [tokens, heads · d_head] each, as projected.
QueryKeyValue project_qkv(const LayerWeights& w, const at::Tensor& y) {
  const auto bias = [](const at::Tensor& b) { return b.defined() ? b.flatten() : b; };
  if (w.qkv_order == QkvOrder::kSeparate) {
    return {linear(y, w.w_q.flatten(1), bias(w.b_q)), linear(y, w.w_k.flatten(1), bias(w.b_k)),
            linear(y, w.w_v.flatten(1), bias(w.b_v))};
  }
  const at::Tensor all = linear(y, w.w_qkv, w.b_qkv);
  if (w.qkv_order == QkvOrder::kByHead) {
    const at::Tensor heads = all.view({y.size(0), w.w_q.size(1), 3, w.w_q.size(2)});
    return {heads.select(2, 0).flatten(1), heads.select(2, 1).flatten(1), heads.select(2, 2).flatten(1)};
  }
  const int64_t q = w.w_q.size(1) * w.w_q.size(2);
  const int64_t kv = w.w_k.size(1) * w.w_k.size(2);
  return {all.narrow(1, 0, q), all.narrow(1, q, kv), all.narrow(1, q + kv, kv)};
}

// What the heads of layer l write to the stream, [n, d_model] at the given rows.
at::Tensor attention_output(const Model& model, const TokenBatch& batch, int64_t l, const RotaryTable& rotary,
                            Keep keep, const at::Tensor& rows, LayerCache* cache) {
  const Architecture& a = model.architecture();
  const LayerWeights& w = model.layers()[l];
  const at::Tensor y = norm_forward(a, w.attn_norm, cache->x_attn, &cache->attn_stats);
  const QueryKeyValue p = make_qkv(a, w, rotary, y, keeps_backward(keep) ? &cache->qk_norm : nullptr);
  cache->z = attention_forward(a, l, batch, p.q, p.k, p.v, keeps_backward(keep) ? &cache->attention : nullptr);
  at::Tensor out = at::mm(take_rows(cache->z, rows), w.w_o);
  if (w.b_o.defined()) out.add_(w.b_o);
  if (keeps_backward(keep) && a.post_norms) cache->attn_out = out;
  return post_norm_forward(a, w.attn_post_norm, out, &cache->attn_post_stats);
}

}  // namespace

QueryKeyValue make_qkv(const Architecture& architecture, const LayerWeights& weights, const RotaryTable& rotary,
                       const at::Tensor& y, QueryKeyNormCache* cache) {
  return normed_and_rotated(architecture, weights, rotary, project_qkv(weights, y), cache);
}

QueryKeyValue normed_and_rotated(const Architecture& architecture, const LayerWeights& weights,
                                 const RotaryTable& rotary, QueryKeyValue p, QueryKeyNormCache* cache) {
  if (!architecture.qk_norm && !rotary.cos.defined()) return p;
  QueryKeyNormCache kept;
  const auto work = [&](at::Tensor* rows, const NormWeights& norm, at::Tensor* projected, NormStats* stats) {
    at::Tensor heads = rows->reshape({rows->size(0), -1, architecture.d_head});
    if (architecture.qk_norm) {
      *projected = heads;
      heads = norm_forward(architecture, norm, heads, stats);
    }
    *rows = rotate(heads, rotary, Direction::kForward).flatten(1);
  };
  work(&p.q, weights.q_norm, &kept.q, &kept.q_stats);
  work(&p.k, weights.k_norm, &kept.k, &kept.k_stats);
  if (cache != nullptr) *cache = kept;
  return p;
}

at::Tensor token_embedding(const Model& model, const at::Tensor& ids) {
  const at::Tensor rows = at::embedding(model.embedding(), ids);
  const double scale = model.architecture().embedding_scale;
  // Hugging Face rounds the factor to the dtype of the computation: √2304 is 48, but √1152 is 34 in BF16.
  return scale == 1 ? rows : rows * at::scalar_tensor(scale, at::dtype(rows.scalar_type()));
}

at::Tensor token_embedding(const Model& model, const TokenBatch& batch) {
  return token_embedding(model, batch.ids);
}

ForwardCache forward(const Model& model, const TokenBatch& batch, Keep keep, const ReadRows& read) {
  return forward_from(model, batch, token_embedding(model, batch), keep, read);
}

ForwardCache forward_from(const Model& model, const TokenBatch& batch, const at::Tensor& embedding, Keep keep,
                          const ReadRows& read) {
  const Architecture& a = model.architecture();
  ForwardCache cache;
  cache.embedding = embedding;
  cache.rotary = make_rotary_tables(a, batch.positions, model.dtype());
  at::Tensor x = cache.embedding;
  if (a.learned_positions) x = x + at::embedding(model.positions(), batch.positions);
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const LayerWeights& w = model.layers()[l];
    const bool last = l + 1 == a.n_layers;
    const at::Tensor rows = last && !read.last_mlp_everywhere ? read.rows : at::Tensor();
    LayerCache layer;
    layer.x_attn = x;
    const at::Tensor attention = attention_output(model, batch, l, cache.rotary.of(a, l), keep, rows, &layer);
    const at::Tensor x_rows = take_rows(x, rows);
    layer.x_mlp = a.parallel_blocks ? x_rows : x_rows + attention;
    at::Tensor y = norm_forward(a, w.mlp_norm, layer.x_mlp, &layer.mlp_stats);
    layer.mlp_out = mlp_forward(a, w, y, keeps_backward(keep) ? &layer.mlp : nullptr);
    const bool keep_out = keeps_nodes(keep) || (keeps_backward(keep) && a.post_norms);
    at::Tensor written = layer.mlp_out;
    if (a.post_norms) {
      if (w.b_out.defined()) written = written + w.b_out;
      written = norm_forward(a, w.mlp_post_norm, written, &layer.mlp_post_stats);
    }
    x = layer.x_mlp + written;
    if (a.parallel_blocks) x.add_(attention);
    if (w.b_out.defined() && !a.post_norms) x.add_(w.b_out);
    x = put_rows(x, rows, batch.tokens());
    layer.mlp_out = keep_out ? put_rows(layer.mlp_out, rows, batch.tokens()) : at::Tensor();
    if (keep == Keep::kNodeOutputs) {
      LayerCache nodes;
      nodes.z = layer.z;
      nodes.mlp_out = layer.mlp_out;
      layer = nodes;
    }
    if (keep != Keep::kNothing) cache.layers.push_back(std::move(layer));
  }
  if (!keeps_nodes(keep)) cache.embedding = at::Tensor();
  cache.x_final = x;
  cache.read_rows = read.rows;
  return cache;
}

at::Tensor logits_of(const Model& model, const at::Tensor& x_final, const at::Tensor& rows) {
  const at::Tensor x = rows.defined() ? x_final.index_select(0, rows) : x_final;
  return head_logits(model, norm_forward(model.architecture(), model.final_norm(), x, nullptr));
}

}  // namespace circuit
