// Some rows of a [tokens, …] tensor, and back. Undefined rows mean all of them, without a copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace circuit {

// rows [n] int64. An undefined tensor stays undefined.
at::Tensor take_rows(const at::Tensor& tensor, const at::Tensor& rows);

// values [n, d] at rows (each once) of a [tokens, d] tensor that is zero elsewhere.
at::Tensor put_rows(const at::Tensor& values, const at::Tensor& rows, int64_t tokens);

// What to pick from a kept tensor so that it stands at `rows`: undefined where it holds those alone.
at::Tensor rows_of_kept(const at::Tensor& kept, const at::Tensor& rows, int64_t tokens);

}  // namespace circuit
