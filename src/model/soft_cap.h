// Soft-capping of scores and logits (Gemma 2): y = cap · tanh(x / cap), which stays within ±cap.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace circuit {

// In place; x itself without a cap.
at::Tensor soft_cap(at::Tensor x, const std::optional<double>& cap);

// dy/dx = 1 − (y / cap)², from y and of its shape. Defined with a cap only.
at::Tensor soft_cap_slope(const at::Tensor& y, double cap);

}  // namespace circuit
