#include "model/forward.h"

#include <ATen/TensorOperators.h>

#include "model/blocks/block.h"
#include "model/head.h"
#include "model/layer_program.h"
#include "model/rows.h"

namespace circuit {
namespace {

// One layer of a forward.
class LayerForward {
 public:
  using Written = circuit::Written;

  LayerForward(const ForwardPass& pass, int64_t l, LayerCache* cache)
      : pass_(pass), layer_(pass.model.architecture().layer(l)), l_(l), cache_(cache) {
    // Of the last layer only some rows are read.
    const bool last = l + 1 == pass.model.architecture().n_layers;
    if (last && !pass.read.last_mlp_everywhere) read_ = pass.read.rows;
  }

  Written work(const BlockSpec& block, const at::Tensor& x) const {
    const at::Tensor rows = mixed_after(layer_, block) ? at::Tensor() : read_;
    return methods_of(block.kind).forward(pass_, l_, x, rows, cache_);
  }

  // The last first, biases last.
  at::Tensor join(const at::Tensor& stream, const std::vector<Written>& written) const {
    const int64_t n = written.back().out.size(0);
    const auto here = [&](const at::Tensor& t) { return t.size(0) == n ? t : take_rows(t, read_); };
    at::Tensor sum = here(stream) + written.back().out;
    for (auto earlier = written.rbegin() + 1; earlier != written.rend(); ++earlier) sum.add_(here(earlier->out));
    for (const Written& w : written) {
      if (w.bias.defined()) sum.add_(w.bias);
    }
    return sum;
  }

  const at::Tensor& read_rows() const { return read_; }

 private:
  const ForwardPass& pass_;
  const LayerSpec& layer_;
  int64_t l_;
  LayerCache* cache_;
  at::Tensor read_;
};

// What of a layer is kept when no backward is.
LayerCache left_of(Keep keep, const LayerCache& layer) {
  LayerCache left;
  if (keep == Keep::kStreams) left.x_attn = layer.x_attn;
  if (keep != Keep::kNodeOutputs) return left;
  left.z = layer.z;
  left.mlp_out = layer.mlp_out;
  left.mlp_hidden = layer.mlp_hidden;
  left.attn_post_stats = layer.attn_post_stats;
  left.mlp_post_stats = layer.mlp_post_stats;
  return left;
}

// The stream after layer l, from the one before it.
at::Tensor layer_forward(const ForwardPass& pass, int64_t l, const at::Tensor& x, LayerCache* layer) {
  LayerForward engine(pass, l, layer);
  const at::Tensor after = walk_layer(pass.model.architecture().layer(l), x, engine);
  if (!keeps_backward(pass.keep)) *layer = left_of(pass.keep, *layer);
  return put_rows(after, engine.read_rows(), pass.batch.tokens());
}

// Layers from `first` up into `cache`, which holds those below.
void forward_layers(const ForwardPass& pass, int64_t first, at::Tensor x, ForwardCache* cache) {
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

ForwardCache forward(const Model& model, const TokenBatch& batch, Keep keep, const ReadRows& read) {
  return forward_from(model, batch, token_embedding(model, batch), keep, read);
}

ForwardCache forward_from(const Model& model, const TokenBatch& batch, const at::Tensor& embedding, Keep keep,
                          const ReadRows& read) {
  ForwardCache cache;
  cache.embedding = embedding;
  cache.rotary = make_rotary_tables(model.architecture(), batch, model.dtype());
  const at::Tensor x = with_positions(model, embedding, batch.positions);
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
