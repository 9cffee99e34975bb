#include "model/forward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/mm.h>

#include "model/rows.h"

namespace circuit {
namespace {

bool keeps_backward(Keep keep) { return keep == Keep::kBackward || keep == Keep::kBackwardAndNodeOutputs; }
bool keeps_nodes(Keep keep) { return keep == Keep::kNodeOutputs || keep == Keep::kBackwardAndNodeOutputs; }

at::Tensor rotate_rows(const at::Tensor& rows, const RotaryTable& table, int64_t d_head) {
  if (!table.cos.defined()) return rows;
  const at::Tensor heads = rows.reshape({rows.size(0), -1, d_head});
  return rotate(heads, table, Direction::kForward).view({rows.size(0), -1});
}

// [n, d_model] at the given rows.
at::Tensor attention_output(const Model& model, const TokenBatch& batch, const LayerWeights& w,
                            const RotaryTable& rotary, Keep keep, const at::Tensor& rows, LayerCache* cache) {
  const Architecture& a = model.architecture();
  const at::Tensor y = norm_forward(a, w.attn_norm, cache->x_attn, &cache->attn_stats);
  const QueryKeyValue p = project_qkv(w, y);
  const at::Tensor q = rotate_rows(p.q, rotary, a.d_head);
  const at::Tensor k = rotate_rows(p.k, rotary, a.d_head);
  cache->z = attention_forward(a, batch, q, k, p.v, keeps_backward(keep) ? &cache->attention : nullptr);
  at::Tensor out = at::mm(take_rows(cache->z, rows), w.w_o);
  if (w.b_o.defined()) out.add_(w.b_o);
  return out;
}

}  // namespace

QueryKeyValue project_qkv(const LayerWeights& weights, const at::Tensor& y) {
  if (!weights.w_qkv.defined()) {
    return {linear(y, weights.w_q, weights.b_q), linear(y, weights.w_k, weights.b_k),
            linear(y, weights.w_v, weights.b_v)};
  }
  const at::Tensor all = linear(y, weights.w_qkv, weights.b_qkv);
  const int64_t q = weights.w_q.size(1);
  const int64_t kv = weights.w_k.size(1);
  return {all.narrow(1, 0, q), all.narrow(1, q, kv), all.narrow(1, q + kv, kv)};
}

at::Tensor token_embedding(const Model& model, const TokenBatch& batch) {
  return at::embedding(model.embedding(), batch.ids);
}

ForwardCache forward(const Model& model, const TokenBatch& batch, Keep keep, const ReadRows& read) {
  return forward_from(model, batch, token_embedding(model, batch), keep, read);
}

ForwardCache forward_from(const Model& model, const TokenBatch& batch, const at::Tensor& embedding, Keep keep,
                          const ReadRows& read) {
  const Architecture& a = model.architecture();
  ForwardCache cache;
  cache.embedding = embedding;
  cache.rotary = make_rotary_table(a, batch.positions, model.dtype());
  at::Tensor x = cache.embedding;
  if (a.learned_positions) x = x + at::embedding(model.positions(), batch.positions);
  for (const LayerWeights& w : model.layers()) {
    const bool last = &w == &model.layers().back();
    const at::Tensor rows = last && !read.last_mlp_everywhere ? read.rows : at::Tensor();
    LayerCache layer;
    layer.x_attn = x;
    const at::Tensor attention = attention_output(model, batch, w, cache.rotary, keep, rows, &layer);
    const at::Tensor x_rows = take_rows(x, rows);
    layer.x_mlp = a.parallel_blocks ? x_rows : x_rows + attention;
    at::Tensor y = norm_forward(a, w.mlp_norm, layer.x_mlp, &layer.mlp_stats);
    layer.mlp_out = mlp_forward(a, w, y, keeps_backward(keep) ? &layer.mlp : nullptr);
    x = layer.x_mlp + layer.mlp_out;
    if (a.parallel_blocks) x.add_(attention);
    if (w.b_out.defined()) x.add_(w.b_out);
    x = put_rows(x, rows, batch.tokens());
    layer.mlp_out = keeps_nodes(keep) ? put_rows(layer.mlp_out, rows, batch.tokens()) : at::Tensor();
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
  const at::Tensor y = norm_forward(model.architecture(), model.final_norm(), x, nullptr);
  return at::mm(y, model.unembedding().t());
}

}  // namespace circuit
