// What a block writes to the stream, from what its output matrix makes of its nodes.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"

namespace circuit {

// Undefined where there is none.
const NormWeights& post_norm_of(const LayerWeights& weights, BlockKind kind);

// (product + output bias) · residual factor: what joins the stream, or what the block's post-norm norms.
// product [tokens, d_model]: z W_O, or h W_out.
at::Tensor before_post_norm(const Model& model, const Block& block, const at::Tensor& product);

}  // namespace circuit
