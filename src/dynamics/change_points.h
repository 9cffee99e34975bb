// Where a series jumps: a step beside its line, held against AR(1) series, which drift but do not jump.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "dynamics/surrogates.h"

namespace circuit {

struct ChangePoint {
  int64_t at = 0;     // index of the first point after the jump
  double size = 0;    // of the jump: least squares, line and step fitted together
  Measured measured;  // statistic: √(share of the variance about the line that the step explains)
  double p = 1;
};

// The step that explains most; kMargin points at least stand on either side. size() ≥ 2 · kMargin + 1.
ChangePoint largest_step(const std::vector<double>& series);
constexpr int64_t kMargin = 4;
constexpr int64_t kLeastPoints = 2 * kMargin + 4;

// Nulls by length, made when first asked for. A series is held against the null of the largest length on a grid that is
// not above its own: of shorter series a step explains more by chance, so this errs to the safe side.
class StepNulls {
 public:
  explicit StepNulls(uint64_t seed) : seed_(seed) {}
  const SurrogateNull& of_length(int64_t n);

 private:
  uint64_t seed_;
  std::map<int64_t, SurrogateNull> nulls_;
};

// Jumps with p ≤ `level`, ascending: the largest, then those of the parts on either side, and so on.
std::vector<ChangePoint> change_points(const std::vector<double>& series, double level, StepNulls& nulls);

}  // namespace circuit
