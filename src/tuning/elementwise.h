// One pass over a slice's elements instead of one per operation: an update is bound by memory, and AdamW as separate
// operations reads and writes a slice ten times.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace circuit {

// Whether `t` can be walked by rows: on the CPU, float or double, at most two dimensions, elements of a row adjacent.
inline bool walks_by_rows(const at::Tensor& t) {
  const bool type = t.scalar_type() == at::kFloat || t.scalar_type() == at::kDouble;
  return t.device().is_cpu() && type && (t.dim() == 1 || t.dim() == 2) && (t.size(-1) == 1 || t.stride(-1) == 1);
}

// Calls row(pointers…, length) for runs of adjacent elements of tensors of one shape and type T, on all threads.
template <class T, class Row, class... Tensors>
void for_rows(Row row, const at::Tensor& first, const Tensors&... others) {
  const int64_t rows = first.dim() == 2 ? first.size(0) : 1;
  const int64_t length = first.size(-1);
  const auto at_row = [&](const at::Tensor& t, int64_t r) {
    return t.template data_ptr<T>() + (t.dim() == 2 ? r * t.stride(0) : 0);
  };
  // A thread's share is worth starting it.
  constexpr int64_t kElements = int64_t{1} << 16;
  if (rows == 1) {
    at::parallel_for(0, length, kElements, [&](int64_t begin, int64_t end) {
      row(at_row(first, 0) + begin, (at_row(others, 0) + begin)..., end - begin);
    });
    return;
  }
  at::parallel_for(0, rows, std::max<int64_t>(1, kElements / std::max<int64_t>(1, length)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end; ++r) row(at_row(first, r), at_row(others, r)..., length);
                   });
}

}  // namespace circuit
