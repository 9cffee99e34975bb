#include "model/soft_cap.h"

#include <ATen/TensorOperators.h>

namespace circuit {

at::Tensor soft_cap(at::Tensor x, const std::optional<double>& cap) {
  return cap ? x.div_(*cap).tanh_().mul_(*cap) : x;
}

at::Tensor soft_cap_slope(const at::Tensor& y, double cap) { return (y / cap).square_().neg_().add_(1); }

}  // namespace circuit
