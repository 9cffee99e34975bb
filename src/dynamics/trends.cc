#include "dynamics/trends.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace circuit {
namespace {

struct Line {
  double slope = 0;
  double correlation = 0;
  double intercept = 0;
};

Line fit(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  Line line;
  if (xx == 0) return line;
  line.slope = xy / xx;
  line.intercept = mean_y - line.slope * mean_x;
  if (yy > 0) line.correlation = xy / std::sqrt(xx * yy);
  return line;
}

std::vector<double> ascending(int64_t n) {
  std::vector<double> x(n);
  std::iota(x.begin(), x.end(), 0.0);
  return x;
}

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

constexpr int64_t kSeries = 20000;
// From this share on the tail is a fitted one: 40 of the simulated series lie beyond it.
constexpr double kTail = 0.002;

}  // namespace

double persistence_estimate(const std::vector<double>& series) {
  const std::vector<double> x = ascending(static_cast<int64_t>(series.size()));
  const Line line = fit(x, series);
  double now = 0;
  double lagged = 0;
  double before = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    const double residual = series[i] - line.intercept - line.slope * x[i];
    now += residual * residual;
    if (i > 0) lagged += residual * before;
    before = residual;
  }
  return now > 0 ? lagged / now : 0;
}

TrendNull::TrendNull(int64_t n, uint64_t seed) : n_(n) {
  if (n < 4) fail("trends", "found {} points, expected at least 4.", n);
  const std::vector<double> x = ascending(n);
  for (const double persistence : {0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99, 1.0}) {
    Rng rng = Rng(seed).split("trends " + std::to_string(persistence));
    Level level;
    level.persistence = persistence;
    std::vector<double> estimates;
    for (int64_t s = 0; s < kSeries; ++s) {
      const std::vector<double> series = simulate(n, persistence, rng);
      level.correlations.push_back(std::fabs(fit(x, series).correlation));
      estimates.push_back(persistence_estimate(series));
    }
    std::sort(level.correlations.begin(), level.correlations.end());
    std::sort(estimates.begin(), estimates.end());
    level.low_estimate = estimates[static_cast<size_t>(kBoundError * static_cast<double>(kSeries))];
    levels_.push_back(std::move(level));
  }
}

double TrendNull::upper_persistence(double estimate) const {
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

double TrendNull::p_of(double correlation, double persistence) const {
  // From the level at or above: |r| spreads with φ.
  const auto level = std::lower_bound(levels_.begin(), levels_.end(), persistence,
                                      [](const Level& l, double phi) { return l.persistence < phi; });
  const std::vector<double>& simulated = (level == levels_.end() ? levels_.back() : *level).correlations;
  const double r = std::fabs(correlation);
  const auto n = static_cast<double>(simulated.size());
  const double beyond = static_cast<double>(simulated.end() - std::lower_bound(simulated.begin(), simulated.end(), r));
  if (beyond / n >= kTail) return beyond / n;
  const double edge = simulated[static_cast<size_t>((1 - kTail) * n)];
  if (r >= 1) return 0;
  return normal_tail(normal_z(kTail) * std::atanh(r) / std::atanh(edge));
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

std::vector<Trend> find_trends(const std::vector<double>& steps, const std::vector<float>& values, int64_t count,
                               const TrendNull& null) {
  const auto points = static_cast<int64_t>(steps.size());
  if (static_cast<int64_t>(values.size()) != points * count || null.points() != points) {
    fail("trends", "found {} values, expected {} series of {} points.", values.size(), count, null.points());
  }
  std::vector<Trend> trends(count);
  std::vector<double> p(count);
  std::vector<double> series(points);
  for (int64_t s = 0; s < count; ++s) {
    for (int64_t t = 0; t < points; ++t) series[t] = values[t * count + s];
    const Line line = fit(steps, series);
    trends[s].slope = line.slope;
    trends[s].correlation = line.correlation;
    const double bound = null.upper_persistence(persistence_estimate(series));
    p[s] = line.correlation == 0 ? 1 : std::min(1.0, null.p_of(line.correlation, bound) + TrendNull::kBoundError);
    trends[s].p = p[s];
  }
  const std::vector<double> q = benjamini_hochberg(p);
  for (int64_t s = 0; s < count; ++s) trends[s].q = q[s];
  return trends;
}

Direction direction_of(const Trend& trend, const TrendSpec& spec) {
  if (trend.q > spec.false_discovery_rate || std::fabs(trend.correlation) <= spec.least_correlation) {
    return Direction::kNone;
  }
  return trend.correlation > 0 ? Direction::kStrengthened : Direction::kWeakened;
}

}  // namespace circuit
