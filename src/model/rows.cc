#include "model/rows.h"

#include <ATen/ops/zeros.h>

namespace circuit {

at::Tensor take_rows(const at::Tensor& tensor, const at::Tensor& rows) {
  return rows.defined() && tensor.defined() ? tensor.index_select(0, rows) : tensor;
}

at::Tensor put_rows(const at::Tensor& values, const at::Tensor& rows, int64_t tokens) {
  if (!rows.defined() || !values.defined()) return values;
  return at::zeros({tokens, values.size(1)}, values.options()).index_copy_(0, rows, values);
}

at::Tensor rows_of_kept(const at::Tensor& kept, const at::Tensor& rows, int64_t tokens) {
  return kept.size(0) == tokens ? rows : at::Tensor();
}

}  // namespace circuit
