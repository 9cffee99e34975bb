// Whether a series does something that an autocorrelated series does by itself (method.md §8).
//
// A statistic of a series is held against AR(1) series of the same length and persistence φ. φ is not known: it is
// estimated from the series' residuals, whose bias is undone by simulation, and the p-value is the largest over the
// upper confidence bound of φ, plus that bound's error (Berger, Boos 1994). A unit root, φ = 1, is among the
// possibilities.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace circuit {

struct Measured {
  double statistic = 0;    // within [0, 1]: a correlation's magnitude, or the root of a share of variance explained
  double persistence = 0;  // estimate of φ: lag-one autocorrelation of what the statistic's model leaves over
};
using Measure = std::function<Measured(const std::vector<double>& series)>;

// Distribution of both under AR(1), by simulation.
class SurrogateNull {
 public:
  // n ≥ 4 points at equal distances; `series` simulated at each of 13 persistences. The same seed and name give the
  // same values.
  SurrogateNull(int64_t n, const Measure& measure, int64_t series, uint64_t seed, const std::string& name);
  int64_t points() const { return n_; }

  // P(statistic ≥ the found one | no effect), the bound's error included.
  double p_of(const Measured& found) const;

  // Upper bound of φ at confidence 1 − kBoundError, from an estimate; within [0, 1].
  double upper_persistence(double estimate) const;
  // P(statistic ≥ `statistic`) at a persistence; beyond the simulated quantiles its atanh is taken to fall off as a
  // normal tail.
  double p_at(double statistic, double persistence) const;

  static constexpr double kBoundError = 1e-4;

 private:
  struct Level {
    double persistence;
    std::vector<double> statistics;  // ascending
    double low_estimate;             // quantile of the estimate of φ below which kBoundError lies
  };
  int64_t n_;
  std::vector<Level> levels_;
};

// Lag-one autocorrelation of residuals about 0; 0 where all are 0.
double lag_one(const std::vector<double>& residuals);

// q of every p: min over larger p of p · n / rank (Benjamini, Hochberg 1995).
std::vector<double> benjamini_hochberg(const std::vector<double>& p);

}  // namespace circuit
