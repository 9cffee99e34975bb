// Weights that are numbers: one NaN in a row that no text reads still makes the softmax over a tied head NaN.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "model/checkpoint.h"

namespace circuit {

// Index, row-major, of the first element of a floating-point tensor on the CPU that is NaN or infinite; −1: there is
// none. Reads the memory once, on all threads.
int64_t first_non_finite(const at::Tensor& tensor);

// Throws Error naming `place`, the tensor and the element where one is NaN or infinite. Tensors of integers pass.
void require_finite(const at::Tensor& tensor, const std::string& name, const std::string& place);

// The same for every tensor of a checkpoint.
void require_finite(const Checkpoint& checkpoint);

}  // namespace circuit
