#include "model/backward.h"

#include "model/blocks/block.h"
#include "model/layer_program.h"

namespace circuit {
namespace {

// One layer of a backward.
class LayerBackward {
 public:
  LayerBackward(BackwardPass& pass, int64_t l) : pass_(pass), layer_(pass.model.architecture().layer(l)), l_(l) {}

  at::Tensor back(const BlockSpec& block, const at::Tensor& d_stream) {
    const Block here{block.kind, l_};
    if (pass_.cache.replaced == here) {
      pass_.visitor.on_replaced(here, d_stream);
      return {};
    }
    // The gradient at the last stream is zero, by the reader's word, at rows that are not read.
    const bool last = l_ + 1 == pass_.model.architecture().n_layers && !mixed_after(layer_, block);
    const at::Tensor rows = last ? pass_.cache.read_rows : at::Tensor();
    return methods_of(block.kind).backward(pass_, l_, rows, d_stream);
  }

 private:
  BackwardPass& pass_;
  const LayerSpec& layer_;
  int64_t l_;
};

}  // namespace

void backward(const Model& model, const TokenBatch& batch, ForwardCache& cache, const at::Tensor& d_final,
              KeyValueGradients form, CacheUse use, BackwardVisitor& visitor, Rule rule) {
  BackwardPass pass{model, batch, cache, form, use, visitor, rule};
  at::Tensor d_x = d_final;
  for (int64_t l = model.architecture().n_layers - 1; l >= 0; --l) {
    if (cache.streams_only) remake_layer(model, batch, l, &cache);
    LayerBackward engine(pass, l);
    d_x = walk_layer_back(model.architecture().layer(l), d_x, engine);
    if (use == CacheUse::kRelease || cache.streams_only) {
      LayerCache left;
      if (use == CacheUse::kKeep) left.x_attn = cache.layers[l].x_attn;
      cache.layers[l] = left;
    }
  }
  visitor.on_embedding(d_x);
}

}  // namespace circuit
