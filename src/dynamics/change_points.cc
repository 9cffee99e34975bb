#include "dynamics/change_points.h"

#include <algorithm>
#include <cmath>

namespace circuit {
namespace {

constexpr int64_t kSeries = 4000;

// Residuals from the least-squares line over 0 … n−1.
std::vector<double> off_line(const std::vector<double>& y) {
  const auto n = static_cast<double>(y.size());
  const double middle = 0.5 * (n - 1);
  double mean = 0;
  double xy = 0;
  for (size_t i = 0; i < y.size(); ++i) mean += y[i] / n;
  for (size_t i = 0; i < y.size(); ++i) xy += (static_cast<double>(i) - middle) * (y[i] - mean);
  const double slope = xy / (n * (n * n - 1) / 12);
  std::vector<double> residuals(y.size());
  for (size_t i = 0; i < y.size(); ++i) residuals[i] = y[i] - mean - slope * (static_cast<double>(i) - middle);
  return residuals;
}

// 1 from `at` on, less its own line.
struct OffLineStep {
  OffLineStep(int64_t n, int64_t at) {
    const auto all = static_cast<double>(n);
    const auto after = static_cast<double>(n - at);
    middle = 0.5 * (all - 1);
    mean = after / all;
    // Σ (i − middle) over i ≥ at
    const double sum = 0.5 * after * (static_cast<double>(at) + all - 1) - after * middle;
    slope = sum / (all * (all * all - 1) / 12);
    norm2 = after - all * mean * mean - slope * sum;
  }
  double value(int64_t i, int64_t at) const {
    return (i >= at ? 1.0 : 0.0) - mean - slope * (static_cast<double>(i) - middle);
  }
  double mean, middle, slope, norm2;
};

}  // namespace

ChangePoint largest_step(const std::vector<double>& series) {
  const auto n = static_cast<int64_t>(series.size());
  std::vector<double> residuals = off_line(series);
  double variance = 0;
  double scale = 0;
  for (int64_t i = 0; i < n; ++i) {
    variance += residuals[i] * residuals[i];
    scale += series[i] * series[i];
  }
  ChangePoint found;
  // Of a line but for rounding nothing is left to explain.
  constexpr double kRounding = 1e-24;
  if (variance <= kRounding * scale) return found;
  // The residuals have no part along 1 and i, so their product with the step is a plain tail sum.
  double tail = 0;
  double best = 0;
  for (int64_t at = n - 1; at >= kMargin; --at) {
    tail += residuals[at];
    if (at > n - kMargin) continue;
    const OffLineStep step(n, at);
    const double explained = tail * tail / step.norm2;
    if (explained <= best) continue;
    best = explained;
    found.at = at;
    found.size = tail / step.norm2;
  }
  if (best == 0) return found;
  const OffLineStep step(n, found.at);
  for (int64_t i = 0; i < n; ++i) residuals[i] -= found.size * step.value(i, found.at);
  found.measured = {std::sqrt(std::min(1.0, best / variance)), lag_one(residuals)};
  return found;
}

const SurrogateNull& StepNulls::of_length(int64_t n) {
  int64_t length = kLeastPoints;
  while (length * 4 / 3 <= n) length = length * 4 / 3;
  const auto there = nulls_.find(length);
  if (there != nulls_.end()) return there->second;
  const Measure measure = [](const std::vector<double>& series) { return largest_step(series).measured; };
  return nulls_.try_emplace(length, length, measure, kSeries, seed_, "change points").first->second;
}

std::vector<ChangePoint> change_points(const std::vector<double>& series, double level, StepNulls& nulls) {
  const auto n = static_cast<int64_t>(series.size());
  if (n < kLeastPoints) return {};
  ChangePoint found = largest_step(series);
  found.p = nulls.of_length(n).p_of(found.measured);
  if (found.p > level) return {};
  std::vector<ChangePoint> all = change_points({series.begin(), series.begin() + found.at}, level, nulls);
  std::vector<ChangePoint> after = change_points({series.begin() + found.at, series.end()}, level, nulls);
  all.push_back(found);
  for (ChangePoint& c : after) {
    c.at += found.at;
    all.push_back(c);
  }
  return all;
}

}  // namespace circuit
