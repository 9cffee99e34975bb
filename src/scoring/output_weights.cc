#include "scoring/output_weights.h"

#include <ATen/TensorOperators.h>

#include "model/mlp.h"
#include "model/norm.h"
#include "model/rows.h"
#include "scoring/folded_weights.h"

namespace circuit {
namespace {

at::Tensor written_through(const Model& model, int64_t layer, const at::Tensor& weight, const NormWeights& post) {
  const double residual = model.architecture().layer(layer).residual;
  const at::Tensor scaled = residual == 1 ? weight : weight * residual;
  return (post.defined() ? scaled * norm_scale(post) : scaled).to(contraction_type(model));
}

// Outputs as their post-norms scaled them; γ is in the weights, but of MLPs that are one node here.
void hold_post_norms(const Model& model, bool blocks, NodeOutputs* outputs) {
  for (size_t l = 0; l < outputs->z.size(); ++l) {
    at::Tensor& z = outputs->z[l];
    at::Tensor& mlp = outputs->mlp[l];
    const LayerWeights& w = model.layers()[l];
    if (w.attn_post_norm.defined()) z = z * outputs->attn_scale[l].to(z.scalar_type());
    if (!w.mlp_post_norm.defined()) continue;
    mlp = mlp * outputs->mlp_scale[l].to(mlp.scalar_type());
    if (!blocks) mlp = (mlp * norm_scale(w.mlp_post_norm)).to(mlp.scalar_type());
  }
}

}  // namespace

at::Tensor head_outputs(const Model& model, int64_t layer) {
  const LayerWeights& w = model.layers()[layer];
  const Architecture& a = model.architecture();
  // Llama's o_proj is stored transposed; a view of it splits into heads just as well.
  return written_through(model, layer, w.w_o, w.attn_post_norm).unflatten(0, {a.n_heads, a.value_width()});
}

at::Tensor mlp_outputs(const Model& model, const Graph& graph, int64_t layer) {
  const LayerWeights& w = model.layers()[layer];
  return written_through(model, layer, output_blocks(w, graph.mlp_blocks(layer)), w.mlp_post_norm);
}

NodeOutputs scored_outputs(const Model& model, const Graph& graph, NodeOutputs outputs, const at::Tensor& rows) {
  hold_post_norms(model, graph.splits_mlps(), &outputs);
  if (!rows.defined()) return outputs;
  outputs.input = take_rows(outputs.input, rows);
  for (at::Tensor& z : outputs.z) z = take_rows(z, rows);
  for (at::Tensor& m : outputs.mlp) m = take_rows(m, rows);
  return outputs;
}

}  // namespace circuit
