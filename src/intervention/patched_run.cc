#include "intervention/patched_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "intervention/block_write.h"
#include "model/blocks/block.h"
#include "model/layer_program.h"

namespace circuit {
namespace {

// One layer of the run.
class PatchedLayer {
 public:
  using Written = at::Tensor;
  PatchedLayer(const ForwardPass& pass, int64_t l, const std::vector<BlockPatch>& patches)
      : pass_(pass), l_(l), patches_(patches) {}

  at::Tensor work(const BlockSpec& spec, const at::Tensor& x) const {
    const Block block{spec.kind, l_};
    const auto patch =
        std::find_if(patches_.begin(), patches_.end(), [&](const BlockPatch& p) { return p.block == block; });
    LayerCache cache;
    if (patch == patches_.end()) {
      const circuit::Written written = methods_of(spec.kind).forward(pass_, l_, x, {}, &cache);
      return written.bias.defined() ? written.out + written.bias : written.out;
    }
    const LayerWeights& w = pass_.model.layers()[l_];
    const at::Tensor columns = patched(*patch, x);
    at::Tensor product = spec.kind == BlockKind::kAttention ? at::mm(columns, w.w_o) : hidden_to_output(w, columns);
    if (patch->added.defined()) product = product + patch->added;
    return post_norm_forward(post_norm_of(w, spec.kind), before_post_norm(pass_.model, block, product), nullptr);
  }

  at::Tensor join(at::Tensor stream, const std::vector<at::Tensor>& written) const {
    for (const at::Tensor& w : written) stream = stream + w;
    return stream;
  }

 private:
  at::Tensor patched(const BlockPatch& patch, const at::Tensor& x) const {
    const Architecture& a = pass_.model.architecture();
    const bool heads = patch.block.kind == BlockKind::kAttention;
    const int64_t width = heads ? a.n_heads * a.value_width() : a.mlp_channels(l_);
    const at::Tensor values = patch.values.defined() ? patch.values : at::zeros({1, width}, x.options());
    // A block of which nothing is left is not worked.
    if (!patch.live.defined()) return values.expand({x.size(0), width});
    return at::where(patch.live, own_columns(patch.block.kind, x), values);
  }

  at::Tensor own_columns(BlockKind kind, const at::Tensor& x) const {
    if (kind == BlockKind::kAttention) {
      LayerCache cache;
      methods_of(kind).forward(pass_, l_, x, {}, &cache);
      return cache.z;
    }
    const LayerWeights& w = pass_.model.layers()[l_];
    at::Tensor hidden;
    mlp_forward(pass_.model.architecture().layer(l_).mlp, w, norm_forward(w.mlp_norm, x, nullptr), nullptr, &hidden);
    return hidden;
  }

  const ForwardPass& pass_;
  int64_t l_;
  const std::vector<BlockPatch>& patches_;
};

}  // namespace

NodeRange columns_of(const Graph& graph, const Architecture& architecture, int64_t u) {
  const GraphNode node = graph.upstream(u);
  const int64_t width = node.is(kHeadNode) ? architecture.value_width() : graph.mlp_block(node.layer);
  return {node.index * width, width};
}

at::Tensor run_patched(const Model& model, const TokenBatch& batch, const ForwardCache& own,
                       const std::vector<BlockPatch>& patches, const at::Tensor& embedding) {
  int64_t first = model.architecture().n_layers;
  for (const BlockPatch& p : patches) first = std::min(first, p.block.layer);
  if (embedding.defined()) first = 0;
  if (first == model.architecture().n_layers) return own.x_final;
  const ReadRows everywhere;
  const ForwardPass pass{model, batch, own.rotary, Keep::kNothing, everywhere, nullptr};
  at::Tensor x = embedding.defined() ? with_positions(model, embedding, batch.positions) : own.layers[first].x_attn;
  for (int64_t l = first; l < model.architecture().n_layers; ++l) {
    const PatchedLayer engine(pass, l, patches);
    x = walk_layer(model.architecture().layer(l), x, engine);
  }
  return x;
}

}  // namespace circuit
