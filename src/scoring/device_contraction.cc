#include "scoring/device_contraction.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <vector>

namespace circuit {

int64_t tile_positions_on_device(int64_t bytes_each) { return std::max<int64_t>(1, (int64_t{1} << 30) / bytes_each); }

void contract_on_device(const at::Tensor& up, const at::Tensor& down, const int64_t* spans, const at::Tensor& sums) {
  constexpr int64_t kProductBytes = int64_t{256} << 20;
  const int64_t bytes = up.size(1) * down.size(1) * static_cast<int64_t>(up.element_size());
  const int64_t most = std::max<int64_t>(1, kProductBytes / bytes);
  for (int64_t first = 0; first < up.size(0); first += most) {
    const int64_t count = std::min(most, up.size(0) - first);
    const at::Tensor products = at::bmm(up.narrow(0, first, count), down.narrow(0, first, count).transpose(1, 2));
    if (spans == nullptr) {
      sums[0].add_(products.sum(0));
      continue;
    }
    const std::vector<int64_t> of(spans + first, spans + first + count);
    sums.index_add_(0, at::tensor(of, at::kLong).to(up.device()), products);
  }
}

}  // namespace circuit
