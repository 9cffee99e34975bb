#include "intervention/block_write.h"

#include <ATen/TensorOperators.h>

namespace circuit {

const NormWeights& post_norm_of(const LayerWeights& weights, BlockKind kind) {
  return kind == BlockKind::kAttention ? weights.attn_post_norm : weights.mlp_post_norm;
}

at::Tensor before_post_norm(const Model& model, const Block& block, const at::Tensor& product) {
  const LayerWeights& w = model.layers()[block.layer];
  const at::Tensor& bias = block.kind == BlockKind::kAttention ? w.b_o : w.b_out;
  const at::Tensor sum = bias.defined() ? product + bias : product;
  const double residual = model.architecture().layer(block.layer).residual;
  // Not worked where there is no factor: circuits are run by the thousand.
  return residual == 1 ? sum : sum * residual;
}

}  // namespace circuit
