#include "core/spread.h"

#include <algorithm>

namespace circuit {

std::vector<size_t> spread_indices(size_t n, size_t limit) {
  std::vector<size_t> indices;
  const size_t kept = std::min(n, limit);
  for (size_t i = 0; i < kept; ++i) indices.push_back(kept == 1 ? 0 : i * (n - 1) / (kept - 1));
  return indices;
}

}  // namespace circuit
