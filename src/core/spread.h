// Some of many, evenly spread.
#pragma once

#include <cstddef>
#include <vector>

namespace circuit {

// At most `limit` of n indices, ascending and evenly spread, the first and the last among them (of one: the first).
std::vector<size_t> spread_indices(size_t n, size_t limit);

}  // namespace circuit
