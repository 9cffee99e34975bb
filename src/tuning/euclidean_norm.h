// Lengths of gradients and updates.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace circuit {

// ‖t‖₂ of a tensor of any shape, float32, float64 or BF16 (summed in float32 at least). On a CPU in one pass over the
// rows as they lie, whatever the strides between them: ATen's reduction of a head's columns inside a matrix takes a
// multiple of it, and of BF16 rounds the result to BF16. The sum's order, hence its last bit, is the same for any
// number of threads.
double euclidean_norm(const at::Tensor& t);

// Of each; an undefined one's is `undefined`. On a device in a few kernels and one wait for all.
std::vector<double> euclidean_norms(const std::vector<at::Tensor>& all, double undefined);

}  // namespace circuit
