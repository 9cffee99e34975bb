#include "model/wide.h"

namespace circuit {

at::ScalarType wide(at::ScalarType type) { return type == at::kBFloat16 || type == at::kHalf ? at::kFloat : type; }

at::Tensor wide(const at::Tensor& x) { return x.defined() ? x.to(wide(x.scalar_type())).contiguous() : x; }

}  // namespace circuit
