#include "evaluation/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace circuit {

Interval bootstrap(int64_t n, Rng& rng, const std::function<double(const std::vector<int64_t>& sample)>& statistic) {
  constexpr double kTail = 0.025;
  std::vector<double> values;
  std::vector<int64_t> sample(n);
  for (int64_t r = 0; r < kResamples; ++r) {
    for (int64_t& i : sample) i = static_cast<int64_t>(rng.below(n));
    const double value = statistic(sample);
    if (!std::isnan(value)) values.push_back(value);
  }
  if (values.empty()) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return {values[static_cast<size_t>(std::floor(kTail * last))],
          values[static_cast<size_t>(std::ceil((1 - kTail) * last))]};
}

double mean_of(const std::vector<double>& values, const std::vector<int64_t>& sample) {
  double sum = 0;
  for (const int64_t i : sample) sum += values[i];
  return sum / static_cast<double>(sample.size());
}

Estimate estimate(int64_t n, Rng& rng, const std::function<double(const std::vector<int64_t>& sample)>& statistic) {
  std::vector<int64_t> all(n);
  std::iota(all.begin(), all.end(), 0);
  return {statistic(all), bootstrap(n, rng, statistic)};
}

Estimate mean_estimate(const std::vector<double>& values, Rng& rng) {
  return estimate(static_cast<int64_t>(values.size()), rng,
                  [&](const std::vector<int64_t>& sample) { return mean_of(values, sample); });
}

Estimate ratio_estimate(const std::vector<double>& numerators, const std::vector<double>& denominators, Rng& rng) {
  return estimate(static_cast<int64_t>(numerators.size()), rng, [&](const std::vector<int64_t>& sample) {
    double above = 0;
    double below = 0;
    for (const int64_t i : sample) {
      above += numerators[i];
      below += denominators[i];
    }
    return above / below;
  });
}

}  // namespace circuit
