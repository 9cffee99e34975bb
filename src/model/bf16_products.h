// Products of BF16 tensors whose sums are float32's.
#pragma once

namespace circuit {

// Looks once whether this libtorch sums BF16 products on this processor in float32. libtorch 1.13 does where it has
// oneDNN's kernels (AVX-512); elsewhere it sums in BF16, and a product over 768 terms is 16 % off, over a vocabulary
// nothing is left of it. Then products of BF16 on the CPU are worked in float32 from here on, in the whole process.
void sum_bf16_products_in_float32();

// Whether they had to be.
bool are_bf16_products_mended();

}  // namespace circuit
