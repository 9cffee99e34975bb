#include "model/finite.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <string_view>

#include "core/error.h"
#include "io/json.h"

namespace circuit {
namespace {

// Elements scanned before the result is looked at: they stay in cache, and the loop has no branch.
constexpr int64_t kBlock = 4096;
constexpr int64_t kGrain = int64_t{1} << 18;

// NaN and infinity are the bit patterns whose exponent is all ones: adding its lowest bit carries into the sign.
template <class Bits>
struct Format {
  Bits magnitude;  // all bits but the sign
  Bits exponent;   // its lowest bit
};

template <class Bits>
bool has_non_finite(const Bits* values, int64_t count, Format<Bits> f) {
  Bits carried = 0;
  for (int64_t i = 0; i < count; ++i) carried |= static_cast<Bits>((values[i] & f.magnitude) + f.exponent);
  return (carried & static_cast<Bits>(~f.magnitude)) != 0;
}

template <class Bits>
int64_t scan(const at::Tensor& tensor, Format<Bits> f) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  const auto* values = static_cast<const Bits*>(tensor.data_ptr());
  std::atomic<int64_t> first{kNone};
  at::parallel_for(0, tensor.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end && at < first; at += kBlock) {
      const int64_t count = std::min(kBlock, end - at);
      if (!has_non_finite(values + at, count, f)) continue;
      int64_t found = at;
      while (!has_non_finite(values + found, 1, f)) ++found;
      int64_t known = first;
      while (found < known && !first.compare_exchange_weak(known, found)) {
      }
      return;
    }
  });
  return first == kNone ? -1 : first.load();
}

}  // namespace

int64_t first_non_finite(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  switch (flat.scalar_type()) {
    case at::kDouble:
      return scan<uint64_t>(flat, {0x7FFFFFFFFFFFFFFF, 0x0010000000000000});
    case at::kFloat:
      return scan<uint32_t>(flat, {0x7FFFFFFF, 0x00800000});
    case at::kHalf:
      return scan<uint16_t>(flat, {0x7FFF, 0x0400});
    case at::kBFloat16:
      return scan<uint16_t>(flat, {0x7FFF, 0x0080});
    default:
      return -1;
  }
}

void require_finite(const at::Tensor& tensor, const std::string& name, const std::string& place) {
  const int64_t at = first_non_finite(tensor);
  if (at < 0) return;
  const double value = tensor.contiguous().view({-1})[at].to(at::kDouble).item<double>();
  std::string index;
  int64_t rest = at;
  for (int64_t d = tensor.dim() - 1; d >= 0; --d) {
    index = std::to_string(rest % tensor.size(d)) + (index.empty() ? "" : ", ") + index;
    rest /= tensor.size(d);
  }
  fail(place,
       "tensor '{}': found {} at [{}]: the weights are not finite. The file is damaged, or its training diverged.",
       name, non_finite_name(value), index);
}

void require_finite(const Checkpoint& checkpoint) {
  for (const TensorFile& shard : checkpoint.shards()) {
    for (const TensorEntry& entry : shard.header().tensors) {
      // Of the dtypes that hold no number of this kind, or that no model here is stored in, some have no tensor type.
      constexpr std::string_view kFloats[] = {"F64", "F32", "F16", "BF16"};
      if (std::find(std::begin(kFloats), std::end(kFloats), entry.dtype) == std::end(kFloats)) continue;
      require_finite(shard.tensor(entry.name), entry.name, shard.path());
    }
  }
}

}  // namespace circuit
