// Which series rise or fall along training, and which only wander (method.md §8): r with time, held against AR(1)
// surrogates. A random walk of 50 points correlates with time by |r| > 0.5 more often than not.
#pragma once

#include <cstdint>
#include <vector>

#include "dynamics/surrogates.h"

namespace circuit {

struct Trend {
  double slope = 0;        // least squares, units per step
  double correlation = 0;  // Pearson's r with the step; 0 for a series that does not move
  double p = 1;            // of so large an |r| without a trend
  double q = 1;            // the false discovery rate at which this series is found (Benjamini, Hochberg 1995)
};

enum class Trending { kNone, kStrengthened, kWeakened };
struct TrendSpec {
  double least_correlation = 0.5;  // the paper's: r > 0.5 strengthened, r < −0.5 weakened
  double false_discovery_rate = 0.05;
};
Trending trend_of(const Trend& trend, const TrendSpec& spec);

// |r| with time and the persistence about the line, of AR(1) series of n ≥ 4 points at equal distances.
SurrogateNull trend_null(int64_t n, uint64_t seed = 0);

// Trends of `count` series. values: [points, count], row after row; step t of a series is values[t · count + s].
// steps: their x, ascending and evenly spread (the null is).
std::vector<Trend> find_trends(const std::vector<double>& steps, const std::vector<float>& values, int64_t count,
                               const SurrogateNull& null);

}  // namespace circuit
