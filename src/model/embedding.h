// The stream before the first layer: token embeddings, and positions where the model has learned them.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"
#include "model/token_batch.h"

namespace circuit {

// [tokens, d_model], rows of the embedding, scaled. ids [tokens] int64.
at::Tensor embedding_rows(const Model& model, const at::Tensor& ids);

// [tokens, d_model], the node `input`: those, through the embedding's norm where it has one, without positions.
at::Tensor token_embedding(const Model& model, const at::Tensor& ids);
at::Tensor token_embedding(const Model& model, const TokenBatch& batch);

// x with what the model adds at every position, x itself where it adds nothing. positions [tokens] int64.
at::Tensor with_positions(const Model& model, const at::Tensor& x, const at::Tensor& positions);

// Rows of the position embedding's tensor that stand for these positions.
at::Tensor position_rows(const Architecture& architecture, const at::Tensor& positions);

// The gradient at the rows of the embedding from that behind their scale.
at::Tensor embedding_backward(const Architecture& architecture, const at::Tensor& d_stream);

}  // namespace circuit
