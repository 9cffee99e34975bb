#include "report/sweep_page/cost_curve.h"

#include <algorithm>
#include <cmath>

namespace circuit {
namespace {

constexpr int kCurvePoints = 24;

// What a run reached, on the side to which it went; none: nothing.
std::optional<double> reached(const Evaluations& run, bool rises) {
  double best = run[0].first;
  for (const auto& [target, cost] : run) best = rises ? std::max(best, target) : std::min(best, target);
  return best == run[0].first ? std::nullopt : std::optional(best);
}

}  // namespace

std::optional<double> cost_at(const Evaluations& evaluations, double at) {
  if (evaluations.empty() || evaluations[0].first == at) return {};
  const bool rises = evaluations[0].first < at;
  for (size_t i = 1; i < evaluations.size(); ++i) {
    const auto& [target, cost] = evaluations[i];
    if (rises ? target < at : target > at) continue;
    const auto& [last_target, last_cost] = evaluations[i - 1];
    if (target == at) return cost;
    if (!cost || !last_cost) return {};
    return *last_cost + (*cost - *last_cost) * (at - last_target) / (target - last_target);
  }
  return {};
}

std::vector<CostPoint> cost_curve(const std::vector<const Evaluations*>& runs) {
  constexpr double kSame = 1e-6;
  if (runs.empty() || std::any_of(runs.begin(), runs.end(), [](const Evaluations* r) { return r->size() < 2; }))
    return {};
  const double start = runs[0]->front().first;
  const bool rises = runs[0]->back().first > start;
  double end = rises ? INFINITY : -INFINITY;
  for (const Evaluations* run : runs) {
    const std::optional<double> best = reached(*run, rises);
    if (!best || std::fabs(run->front().first - start) > kSame * (1 + std::fabs(start))) return {};
    end = rises ? std::min(end, *best) : std::max(end, *best);
  }
  std::vector<CostPoint> curve;
  for (int i = 1; i <= kCurvePoints; ++i) {
    const double target = i == kCurvePoints ? end : start + (end - start) * i / kCurvePoints;
    std::vector<double> costs;
    for (const Evaluations* run : runs) {
      if (const auto cost = cost_at(*run, target); cost && std::isfinite(*cost)) costs.push_back(*cost);
    }
    if (costs.size() == runs.size()) curve.push_back({target, replicate_mean(costs)});
  }
  return curve;
}

}  // namespace circuit
