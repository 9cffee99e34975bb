#include "dynamics/trends.h"

#include <cmath>
#include <numeric>

#include "core/error.h"

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

Measured measured(const Line& line, const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<double> residuals(y.size());
  for (size_t i = 0; i < y.size(); ++i) residuals[i] = y[i] - line.intercept - line.slope * x[i];
  return {std::fabs(line.correlation), lag_one(residuals)};
}

constexpr int64_t kTrendSeries = 20000;

}  // namespace

SurrogateNull trend_null(int64_t n, uint64_t seed) {
  std::vector<double> x(n);
  std::iota(x.begin(), x.end(), 0.0);
  return SurrogateNull(
      n, [&](const std::vector<double>& series) { return measured(fit(x, series), x, series); }, kTrendSeries, seed,
      "trends");
}

std::vector<Trend> find_trends(const std::vector<double>& steps, const std::vector<float>& values, int64_t count,
                               const SurrogateNull& null) {
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
    p[s] = null.p_of(measured(line, steps, series));
    trends[s].p = p[s];
  }
  const std::vector<double> q = benjamini_hochberg(p);
  for (int64_t s = 0; s < count; ++s) trends[s].q = q[s];
  return trends;
}

Trending trend_of(const Trend& trend, const TrendSpec& spec) {
  if (trend.q > spec.false_discovery_rate || std::fabs(trend.correlation) <= spec.least_correlation) {
    return Trending::kNone;
  }
  return trend.correlation > 0 ? Trending::kStrengthened : Trending::kWeakened;
}

}  // namespace circuit
