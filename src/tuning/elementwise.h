// One pass over a slice's elements instead of one per operation: an update is bound by memory, and AdamW as separate
// operations reads and writes a slice ten times.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace circuit {

// Whether `t` can be walked by rows: on the CPU, at most two dimensions, elements of a row adjacent.
inline bool walks_by_rows(const at::Tensor& t) {
  return t.device().is_cpu() && (t.dim() == 1 || t.dim() == 2) && (t.size(-1) == 1 || t.stride(-1) == 1);
}

// Calls row(weights, gradients, states…, length) for runs of adjacent elements of tensors of one shape, on all threads:
// weights and states of type T, gradients of type G.
template <class T, class G, class Row, class... Tensors>
void for_rows(Row row, const at::Tensor& weight, const at::Tensor& gradient, const Tensors&... states) {
  const int64_t rows = weight.dim() == 2 ? weight.size(0) : 1;
  const int64_t length = weight.size(-1);
  const auto offset = [](const at::Tensor& t, int64_t r) { return t.dim() == 2 ? r * t.stride(0) : 0; };
  const auto at_row = [&](const at::Tensor& t, int64_t r) { return t.template data_ptr<T>() + offset(t, r); };
  const auto gradients = [&](int64_t r) { return gradient.data_ptr<G>() + offset(gradient, r); };
  // A thread's share is worth starting it.
  constexpr int64_t kElements = int64_t{1} << 16;
  if (rows == 1) {
    at::parallel_for(0, length, kElements, [&](int64_t begin, int64_t end) {
      row(at_row(weight, 0) + begin, gradients(0) + begin, (at_row(states, 0) + begin)..., end - begin);
    });
    return;
  }
  at::parallel_for(0, rows, std::max<int64_t>(1, kElements / std::max<int64_t>(1, length)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end; ++r)
                       row(at_row(weight, r), gradients(r), at_row(states, r)..., length);
                   });
}

// Calls f(T(), G()) with the types of a weight and its gradient: float32 with float32 or BF16, or both float64.
// False for others.
template <class F>
bool with_types(const at::Tensor& weight, const at::Tensor& gradient, F f) {
  const at::ScalarType w = weight.scalar_type();
  const at::ScalarType g = gradient.scalar_type();
  // NOLINTNEXTLINE(bugprone-branch-clone): each calls it with other types.
  if (w == at::kFloat && g == at::kFloat) {
    f(float(), float());
  } else if (w == at::kFloat && g == at::kBFloat16) {
    f(float(), at::BFloat16());
  } else if (w == at::kDouble && g == at::kDouble) {
    f(double(), double());
  } else {
    return false;
  }
  return true;
}

}  // namespace circuit
