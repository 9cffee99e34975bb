// Projections with the constant part of the norm before them folded in, so that a reader's gradient is
//   ∂M/∂X_v = rstd · (d W_f − x̂ · ⟨x̂, γ W d⟩ / d_model),   W_f = (I − 11ᵀ/d_model) γ ⊙ W   (RMSNorm: γ ⊙ W)
// and the component along x̂ is known without W: ⟨x̂, γ W d⟩ = ⟨y W + b − (β W + b), d⟩, output less constant.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "graph/graph.h"
#include "model/model.h"

namespace circuit {

// Readers of one kind in one layer.
struct FoldedReaders {
  at::Tensor weight;    // [readers, width, d_model], W_f transposed; with `scale` W transposed, a view of the parameter
  at::Tensor constant;  // [readers, width], β W + b; undefined: zero
  at::Tensor scale;     // [d_model], γ, which d Wᵀ is to be multiplied with; undefined: it is in `weight`
};

struct FoldedLayer {
  // Width d_head; k and v once per reader of the graph. Of latents the width of what is linear in the norm's output
  // (latent_readers), whose weight all heads share: a view.
  FoldedReaders q, k, v;
  // MLP blocks, width mlp_block: the channels' inputs, with a gate those of the gate behind them (twice the
  // width). Undefined where an MLP is one node.
  FoldedReaders mlp;
};

// Whether W_f of q, k and v is a copy. It need not be where the norm takes no mean off and the weights stand in the
// dtype of the contraction: d W_f is γ ⊙ (d Wᵀ), and the copies would be an eighth of SmolLM2's weights once more.
bool copies_projections(const Model& model, const Graph& graph);

// In the dtype of the contraction.
std::vector<FoldedLayer> fold_weights(const Model& model, const Graph& graph);

// Of one layer: q, k and v alone; what its MLP's nodes read, also where the MLP is one node.
FoldedLayer fold_attention(const Model& model, const Graph& graph, int64_t layer);
FoldedReaders fold_mlp(const Model& model, const Graph& graph, int64_t layer);

// A copy of w [d_model, readers, width] behind its norm, b [readers, width] or undefined.
FoldedReaders fold_readers(at::ScalarType type, const at::Tensor& w, const at::Tensor& b, const NormWeights& norm);

// The dtype scores are contracted in: float32 at least. Products of BF16 would round every sum to three digits.
at::ScalarType contraction_type(const Model& model);

}  // namespace circuit
