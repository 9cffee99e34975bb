// How far scores are apart, for tests.
#pragma once

#include <algorithm>
#include <cmath>

#include "scoring/scorer.h"

namespace circuit {

inline double largest(const EdgeScores& scores) {
  double value = 0;
  for (const float s : scores.values) value = std::max<double>(value, std::fabs(s));
  return value;
}

inline double largest_difference(const EdgeScores& a, const EdgeScores& b) {
  double value = 0;
  for (size_t i = 0; i < a.values.size(); ++i) value = std::max<double>(value, std::fabs(a.values[i] - b.values[i]));
  return value;
}

}  // namespace circuit
