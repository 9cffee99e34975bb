#include "model/embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/scalar_tensor.h>

#include "model/norm.h"

namespace circuit {

at::Tensor embedding_rows(const Model& model, const at::Tensor& ids) {
  const at::Tensor rows = at::embedding(model.embedding(), ids);
  const double scale = model.architecture().embedding.scale;
  // Hugging Face rounds the factor to the dtype of the computation: √2304 is 48, but √1152 is 34 in BF16.
  return scale == 1 ? rows : rows * at::scalar_tensor(scale, at::dtype(rows.scalar_type()));
}

at::Tensor token_embedding(const Model& model, const at::Tensor& ids) {
  return post_norm_forward(model.embedding_norm(), embedding_rows(model, ids), nullptr);
}

at::Tensor token_embedding(const Model& model, const TokenBatch& batch) { return token_embedding(model, batch.ids); }

at::Tensor with_positions(const Model& model, const at::Tensor& x, const at::Tensor& positions) {
  return model.positions().defined() ? x + at::embedding(model.positions(), positions) : x;
}

at::Tensor position_rows(const Architecture& architecture, const at::Tensor& positions) {
  return positions + architecture.embedding.position_offset;
}

at::Tensor embedding_backward(const Architecture& architecture, const at::Tensor& d_stream) {
  const double scale = architecture.embedding.scale;
  return scale == 1 ? d_stream : d_stream * scale;
}

}  // namespace circuit
