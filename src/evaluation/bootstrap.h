// Percentile bootstrap intervals (Efron 1979): resample the units, take the statistic again.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/rng.h"

namespace circuit {

struct Interval {
  double low = 0;
  double high = 0;
  bool contains(double value) const { return low <= value && value <= high; }
};

// 95 % interval of `statistic` over kResamples resamples of 0 … n − 1 with replacement. n ≥ 1. NaN values of
// the statistic are left out; both ends are NaN when nothing is left.
constexpr int64_t kResamples = 1000;
Interval bootstrap(int64_t n, Rng& rng, const std::function<double(const std::vector<int64_t>& sample)>& statistic);

double mean_of(const std::vector<double>& values, const std::vector<int64_t>& sample);

// A statistic with its interval.
struct Estimate {
  double value = 0;
  Interval interval;
};

// `statistic` of 0 … n − 1 itself, and its bootstrap interval.
Estimate estimate(int64_t n, Rng& rng, const std::function<double(const std::vector<int64_t>& sample)>& statistic);

// The mean of one number per example; NaN where one of them is.
Estimate mean_estimate(const std::vector<double>& values, Rng& rng);

// Σ numerators / Σ denominators: a share of units that come in examples, which are what is resampled. NaN where
// the denominators sum to 0.
Estimate ratio_estimate(const std::vector<double>& numerators, const std::vector<double>& denominators, Rng& rng);

}  // namespace circuit
