#include "ranks/shares.h"

#include <ATen/ops/empty.h>

#include <cstring>

namespace circuit {

Share share_of(int64_t n, int rank, int count) {
  const auto first = [&](int64_t r) { return parts_of(n * r, count); };
  return {first(rank), first(rank + 1)};
}

std::vector<double> joined(Communicator& ranks, const std::string& what, const std::vector<double>& own) {
  if (ranks.is_alone()) return own;
  const auto size = static_cast<int64_t>(own.size() * sizeof(double));
  const at::Tensor bytes = at::empty({size}, at::kByte);
  if (size > 0) std::memcpy(bytes.data_ptr(), own.data(), size);
  std::vector<double> all;
  for (const at::Tensor& part : gather(ranks, what, bytes)) {
    const size_t before = all.size();
    all.resize(before + part.numel() / sizeof(double));
    if (part.numel() > 0) std::memcpy(all.data() + before, part.data_ptr(), part.numel());
  }
  return all;
}

}  // namespace circuit
