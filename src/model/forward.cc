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

bool replaces(const Replacement* replacement, Block::Kind kind, int64_t l) {
  return replacement != nullptr && replacement->block.kind == kind && replacement->block.layer == l;
}

struct Pass {
  const Model& model;
  const TokenBatch& batch;
  const RotaryTables& rotary;
  Keep keep;
  const ReadRows& read;
  const Replacement* replacement;
};

// What the heads of layer l write to the stream, [n, d_model] at the given rows.
at::Tensor attention_output(const Pass& pass, int64_t l, const at::Tensor& rows, LayerCache* cache) {
  const Architecture& a = pass.model.architecture();
  const LayerWeights& w = pass.model.layers()[l];
  const bool keeps = keeps_backward(pass.keep);
  if (replaces(pass.replacement, Block::Kind::kHeads, l)) {
    cache->z = pass.replacement->output;
  } else {
    const at::Tensor y = norm_forward(w.attn_norm, cache->x_attn, &cache->attn_stats);
    const QueryKeyValue p = make_qkv(a, w, pass.rotary.of(a, l), y, keeps ? &cache->qk_norm : nullptr);
    cache->z = attention_forward(a, l, pass.batch, p.q, p.k, p.v, keeps ? &cache->attention : nullptr);
  }
  at::Tensor out = at::mm(take_rows(cache->z, rows), w.w_o);
  if (w.b_o.defined()) out.add_(w.b_o);
  if (keeps && w.attn_post_norm.defined()) cache->attn_out = out;
  return post_norm_forward(w.attn_post_norm, out, &cache->attn_post_stats);
}

// The MLP's output, [n, d_model] at the given rows, which x_mlp holds.
at::Tensor mlp_output(const Pass& pass, int64_t l, const at::Tensor& rows, LayerCache* cache) {
  const LayerWeights& w = pass.model.layers()[l];
  if (replaces(pass.replacement, Block::Kind::kMlp, l)) return take_rows(pass.replacement->output, rows);
  const at::Tensor y = norm_forward(w.mlp_norm, cache->x_mlp, &cache->mlp_stats);
  const bool channels = pass.read.mlp_channels && pass.keep == Keep::kNodeOutputs;
  return mlp_forward(pass.model.architecture().layer(l).mlp, w, y, keeps_backward(pass.keep) ? &cache->mlp : nullptr,
                     channels ? &cache->mlp_hidden : nullptr);
}

// The stream after layer l, from the one before it.
at::Tensor layer_forward(const Pass& pass, int64_t l, const at::Tensor& x, LayerCache* layer) {
  const Architecture& a = pass.model.architecture();
  const LayerWeights& w = pass.model.layers()[l];
  const bool last = l + 1 == a.n_layers;
  const at::Tensor rows = last && !pass.read.last_mlp_everywhere ? pass.read.rows : at::Tensor();
  layer->x_attn = x;
  const at::Tensor attention = attention_output(pass, l, rows, layer);
  const at::Tensor x_rows = take_rows(x, rows);
  layer->x_mlp = a.layer(l).parallel() ? x_rows : x_rows + attention;
  layer->mlp_out = mlp_output(pass, l, rows, layer);
  at::Tensor written = layer->mlp_out;
  if (w.mlp_post_norm.defined()) {
    if (w.b_out.defined()) written = written + w.b_out;
    written = norm_forward(w.mlp_post_norm, written, &layer->mlp_post_stats);
  }
  at::Tensor after = layer->x_mlp + written;
  if (a.layer(l).parallel()) after.add_(attention);
  if (w.b_out.defined() && !w.mlp_post_norm.defined()) after.add_(w.b_out);
  const int64_t tokens = pass.batch.tokens();
  const auto everywhere = [&](const at::Tensor& t) { return t.defined() ? put_rows(t, rows, tokens) : t; };
  layer->mlp_hidden = everywhere(layer->mlp_hidden);
  const bool keep_out = (keeps_nodes(pass.keep) && !layer->mlp_hidden.defined()) ||
                        (keeps_backward(pass.keep) && w.mlp_post_norm.defined());
  layer->mlp_out = keep_out ? everywhere(layer->mlp_out) : at::Tensor();
  if (pass.keep == Keep::kNodeOutputs) {
    LayerCache nodes;
    nodes.z = layer->z;
    nodes.mlp_out = layer->mlp_out;
    nodes.mlp_hidden = layer->mlp_hidden;
    nodes.attn_post_stats = layer->attn_post_stats;
    nodes.mlp_post_stats = layer->mlp_post_stats;
    *layer = nodes;
  }
  if (pass.keep == Keep::kStreams) {
    LayerCache stream;
    stream.x_attn = layer->x_attn;
    *layer = stream;
  }
  return everywhere(after);
}

// Layers from `first` up into `cache`, which holds those below.
void forward_layers(const Pass& pass, int64_t first, at::Tensor x, ForwardCache* cache) {
  for (int64_t l = first; l < pass.model.architecture().n_layers; ++l) {
    LayerCache layer;
    x = layer_forward(pass, l, x, &layer);
    if (pass.keep != Keep::kNothing) cache->layers.push_back(std::move(layer));
  }
  if (!keeps_nodes(pass.keep)) cache->embedding = at::Tensor();
  cache->x_final = x;
  cache->read_rows = pass.read.rows;
  cache->streams_only = pass.keep == Keep::kStreams;
}

}  // namespace

QueryKeyValue make_qkv(const Architecture& architecture, const LayerWeights& weights, const RotaryTable& rotary,
                       const at::Tensor& y, QueryKeyNormCache* cache) {
  return normed_and_rotated(architecture, weights, rotary, project_qkv(weights, y), cache);
}

QueryKeyValue normed_and_rotated(const Architecture& architecture, const LayerWeights& weights,
                                 const RotaryTable& rotary, QueryKeyValue p, QueryKeyNormCache* cache) {
  if (!weights.q_norm.defined() && !rotary.cos.defined()) return p;
  QueryKeyNormCache kept;
  const auto work = [&](at::Tensor* rows, const NormWeights& norm, at::Tensor* projected, NormStats* stats) {
    at::Tensor heads = rows->reshape({rows->size(0), -1, architecture.d_head});
    if (weights.q_norm.defined()) {
      *projected = heads;
      heads = norm_forward(norm, heads, stats);
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
  const double scale = model.architecture().embedding.scale;
  // Hugging Face rounds the factor to the dtype of the computation: √2304 is 48, but √1152 is 34 in BF16.
  return scale == 1 ? rows : rows * at::scalar_tensor(scale, at::dtype(rows.scalar_type()));
}

at::Tensor token_embedding(const Model& model, const TokenBatch& batch) { return token_embedding(model, batch.ids); }

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
  if (a.embedding.learned_positions) x = x + at::embedding(model.positions(), batch.positions);
  forward_layers({model, batch, cache.rotary, keep, read, nullptr}, 0, x, &cache);
  return cache;
}

ForwardCache forward_replacing(const Model& model, const TokenBatch& batch, const ForwardCache& below,
                               const Replacement& replacement, Keep keep, const ReadRows& read) {
  const int64_t first = replacement.block.layer;
  ForwardCache cache;
  cache.embedding = below.embedding;
  cache.rotary = below.rotary;
  cache.layers.assign(below.layers.begin(), below.layers.begin() + first);
  cache.replaced = replacement.block;
  forward_layers({model, batch, cache.rotary, keep, read, &replacement}, first, below.layers[first].x_attn, &cache);
  return cache;
}

void remake_layer(const Model& model, const TokenBatch& batch, int64_t l, ForwardCache* cache) {
  const ReadRows read{cache->read_rows};
  LayerCache layer;
  layer_forward({model, batch, cache->rotary, Keep::kBackward, read, nullptr}, l, cache->layers[l].x_attn, &layer);
  cache->layers[l] = std::move(layer);
}

at::Tensor logits_of(const Model& model, const at::Tensor& x_final, const at::Tensor& rows) {
  const at::Tensor x = rows.defined() ? x_final.index_select(0, rows) : x_final;
  return head_logits(model, norm_forward(model.final_norm(), x, nullptr));
}

}  // namespace circuit
