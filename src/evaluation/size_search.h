// The smallest size at which a measured function reaches a target, in few passes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace circuit {

// The function's values at ascending sizes. One call is one pass over the data, so calls are few and lists
// long.
using MeasureSizes = std::function<std::vector<double>(const std::vector<int64_t>& sizes)>;

struct SizeFound {
  bool reached = false;
  int64_t size = 0;  // the smallest tried that reaches the target; where none does, the one of the largest value
  double value = 0;
  int64_t below = 0;  // the next smaller size tried, which does not reach it; 0: none was tried
  double below_value = 0;
};

// Sizes 1 … most. A first pass measures a geometric grid; further passes look between the first size that
// reaches the target and the one before it, until they are within 2 % or one of each other. A value that is
// not a number does not reach anything.
// The function need not be monotonic, and faithfulness is not. What holds all the same: the size found
// reaches the target, and no smaller size that was tried does. Smaller ones that were not tried may.
SizeFound smallest_reaching(int64_t most, double target, const MeasureSizes& measure);

}  // namespace circuit
