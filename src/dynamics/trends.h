// Which series rise or fall along training, and which only wander (method.md §8).
//
// Scores along training are autocorrelated: a random walk of 50 points correlates with time by |r| > 0.5 more often
// than not. So r is held against AR(1) series of the same length and persistence φ. φ is not known: it is estimated
// from the residuals of a line, whose bias is undone by simulation, and the p-value is the largest over the upper
// confidence bound of φ, plus that bound's error (Berger, Boos 1994). A unit root, φ = 1, is among the possibilities.
#pragma once

#include <cstdint>
#include <vector>

namespace circuit {

struct Trend {
  double slope = 0;        // least squares, units per step
  double correlation = 0;  // Pearson's r with the step; 0 for a series that does not move
  double p = 1;            // of so large an |r| without a trend
  double q = 1;            // the false discovery rate at which this series is found (Benjamini, Hochberg 1995)
};

enum class Direction { kNone, kStrengthened, kWeakened };
struct TrendSpec {
  double least_correlation = 0.5;      // the paper's: r > 0.5 strengthened, r < −0.5 weakened
  double false_discovery_rate = 0.05;
};
Direction direction_of(const Trend& trend, const TrendSpec& spec);

// Distribution of |r| with time, and of the estimate of φ, for AR(1) series of n points, by simulation.
class TrendNull {
 public:
  // n ≥ 4 points at equal distances. The same seed gives the same values.
  explicit TrendNull(int64_t n, uint64_t seed = 0);
  int64_t points() const { return n_; }

  // Upper bound of φ at confidence 1 − kBoundError, from the estimate on a line's residuals; within [0, 1].
  double upper_persistence(double estimate) const;
  // P(|R| ≥ |r|) at a persistence; beyond the simulated quantiles atanh |R| is taken to fall off as a normal tail.
  double p_of(double correlation, double persistence) const;

  static constexpr double kBoundError = 1e-4;

 private:
  struct Level {
    double persistence;
    std::vector<double> correlations;  // |r|, ascending
    double low_estimate;               // quantile of the estimate of φ below which kBoundError lies
  };
  int64_t n_;
  std::vector<Level> levels_;
};

// Estimate of φ from the residuals of the least-squares line through a series: lag-one autocorrelation.
double persistence_estimate(const std::vector<double>& series);

// Trends of `count` series. values: [points, count], row after row; step t of a series is values[t · count + s].
// steps: their x, ascending and evenly spread (the null is). Fewer than 4 points: nothing is found.
std::vector<Trend> find_trends(const std::vector<double>& steps, const std::vector<float>& values, int64_t count,
                               const TrendNull& null);

// q of every p: min over larger p of p · n / rank.
std::vector<double> benjamini_hochberg(const std::vector<double>& p);

}  // namespace circuit
