// The backward of an attention block; attention.h has that of attention itself.
#pragma once

#include "model/blocks/block.h"

namespace circuit {

// As BlockMethods::backward.
at::Tensor attention_backward_step(BackwardPass& pass, int64_t l, const at::Tensor& rows, const at::Tensor& d_stream);

}  // namespace circuit
