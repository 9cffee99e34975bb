// Elementwise work of half-width types.
#pragma once

#include <ATen/core/Tensor.h>

namespace circuit {

// x in float32 where its type is narrower, x itself otherwise; contiguous either way; undefined
// stays undefined. For what a CPU's own routines of
// narrow types round after every operation inside, and take three to fifteen times as long for: activations, norms,
// soft-max (measured: docs/benchmarks.md).
at::Tensor wide(const at::Tensor& x);
at::ScalarType wide(at::ScalarType type);

}  // namespace circuit
