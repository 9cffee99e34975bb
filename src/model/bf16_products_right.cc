// Of libtorch 2, which sums BF16 products in float32 on every processor.
#include "model/bf16_products.h"

namespace circuit {

void sum_bf16_products_in_float32() {}

}  // namespace circuit
