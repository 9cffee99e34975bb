#include "dynamics/surrogates.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace circuit {
namespace {

// φ = 1 is a random walk from 0; below it the first point is from the stationary distribution.
std::vector<double> simulate(int64_t n, double persistence, Rng& rng) {
  std::vector<double> series(n);
  double value = persistence < 1 ? rng.normal() / std::sqrt(1 - persistence * persistence) : rng.normal();
  for (double& point : series) {
    point = value;
    value = persistence * value + rng.normal();
  }
  return series;
}

double normal_tail(double z) { return std::erfc(z / std::sqrt(2.0)); }  // two-sided

// The z whose two-sided tail is p, by bisection.
double normal_z(double p) {
  double low = 0;
  double high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (normal_tail(middle) > p ? low : high) = middle;
  }
  return low;
}

// From this share on the tail is a fitted one: of 20,000 series 40 lie beyond it.
constexpr double kTail = 0.002;

// Quantile `share` of ascending values. So few values do not reach a share of 1e-4 (of 4,000 the least is at 2.5e-4):
// below kFitted they are taken to fall off exponentially, at the mean distance of those below it. Estimates of φ fall
// off faster (as a normal), so that this is on the safe side: the bound of φ gets larger.
double low_quantile(const std::vector<double>& values, double share) {
  constexpr double kFitted = 0.01;
  constexpr double kEnough = 10;
  const auto n = static_cast<double>(values.size());
  if (share * n >= kEnough) return values[static_cast<size_t>(share * n)];
  const auto count = static_cast<size_t>(std::max(1.0, kFitted * n));
  const double start = values[count];
  double distance = 0;
  for (size_t i = 0; i < count; ++i) distance += (start - values[i]) / static_cast<double>(count);
  return std::max(-1.0, start - distance * std::log(static_cast<double>(count) / n / share));
}

}  // namespace

double lag_one(const std::vector<double>& residuals) {
  double now = 0;
  double lagged = 0;
  double before = 0;
  for (const double residual : residuals) {
    now += residual * residual;
    lagged += residual * before;
    before = residual;
  }
  return now > 0 ? lagged / now : 0;
}

SurrogateNull::SurrogateNull(int64_t n, const Measure& measure, int64_t series, uint64_t seed, const std::string& name)
    : n_(n) {
  if (n < 4) fail(name, "found {} points, expected at least 4.", n);
  for (const double persistence : {0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99, 1.0}) {
    Rng rng = Rng(seed).split(name + " " + std::to_string(persistence));
    Level level;
    level.persistence = persistence;
    std::vector<double> estimates;
    for (int64_t s = 0; s < series; ++s) {
      const Measured found = measure(simulate(n, persistence, rng));
      level.statistics.push_back(found.statistic);
      estimates.push_back(found.persistence);
    }
    std::sort(level.statistics.begin(), level.statistics.end());
    std::sort(estimates.begin(), estimates.end());
    level.low_estimate = low_quantile(estimates, kBoundError);
    levels_.push_back(std::move(level));
  }
}

double SurrogateNull::upper_persistence(double estimate) const {
  // The largest φ under which so low an estimate is not rarer than the error allows.
  double bound = 0;
  for (size_t i = 0; i < levels_.size(); ++i) {
    if (levels_[i].low_estimate > estimate) {
      if (i == 0) break;
      // Between two levels, where the quantile crosses the estimate.
      const Level& below = levels_[i - 1];
      const double width = levels_[i].low_estimate - below.low_estimate;
      const double share = width > 0 ? (estimate - below.low_estimate) / width : 1;
      return below.persistence + std::clamp(share, 0.0, 1.0) * (levels_[i].persistence - below.persistence);
    }
    bound = levels_[i].persistence;
  }
  return bound;
}

double SurrogateNull::p_at(double statistic, double persistence) const {
  // From the level at or above: what a series does by itself grows with φ.
  const auto level = std::lower_bound(levels_.begin(), levels_.end(), persistence,
                                      [](const Level& l, double phi) { return l.persistence < phi; });
  const std::vector<double>& simulated = (level == levels_.end() ? levels_.back() : *level).statistics;
  const auto n = static_cast<double>(simulated.size());
  const double beyond =
      static_cast<double>(simulated.end() - std::lower_bound(simulated.begin(), simulated.end(), statistic));
  if (beyond / n >= kTail) return beyond / n;
  const double edge = simulated[static_cast<size_t>((1 - kTail) * n)];
  if (statistic >= 1) return 0;
  return normal_tail(normal_z(kTail) * std::atanh(statistic) / std::atanh(edge));
}

double SurrogateNull::p_of(const Measured& found) const {
  if (found.statistic == 0) return 1;
  return std::min(1.0, p_at(found.statistic, upper_persistence(found.persistence)) + kBoundError);
}

std::vector<double> benjamini_hochberg(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> q(p.size());
  double least = 1;
  for (size_t k = order.size(); k-- > 0;) {
    least = std::min(least, p[order[k]] * static_cast<double>(p.size()) / static_cast<double>(k + 1));
    q[order[k]] = least;
  }
  return q;
}

}  // namespace circuit
