// Products of BF16 tensors whose sums are float32's.
#pragma once

namespace circuit {

// Looks once whether this libtorch sums BF16 products on this processor in float32. libtorch 1.13 does in those that it
// gives to oneDNN: large ones, and of AVX-512's processors. The others it sums in BF16, where a product over 768 terms
// is 16 % off and over a vocabulary nothing is left. Those are worked in float32 from here on, in the whole process.
void sum_bf16_products_in_float32();

}  // namespace circuit
