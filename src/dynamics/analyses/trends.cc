// Edges that training strengthened or weakened: |S| against step (method.md §8).
#include "dynamics/trends.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "dynamics/analysis.h"

namespace circuit {
namespace {

constexpr int64_t kLeastTrendPoints = 8;  // below, no line can be told from a walk

AnalysisResult run_trends(const AnalysisInput& input) {
  const Graph& graph = input.run.graph();
  const ScoreSeries& series = input.run.scores();
  if (series.points() < kLeastTrendPoints) {
    fail("trends", "the run has {} equally spaced discoveries with scores, expected at least {}. Discover more often.",
         series.points(), kLeastTrendPoints);
  }
  std::vector<float> magnitudes(series.values.size());
  std::transform(series.values.begin(), series.values.end(), magnitudes.begin(), [](float s) { return std::fabs(s); });
  const TrendSpec spec;
  const std::vector<Trend> trends =
      find_trends(series.steps, magnitudes, series.edges, trend_null(series.points(), input.seed));
  std::vector<int64_t> order(series.edges);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return std::fabs(trends[a].slope) > std::fabs(trends[b].slope); });
  AnalysisTable table{"trends",
                      "edges whose |S| rises or falls",
                      {"edge", "direction", "slope_per_100_steps", "r", "p", "q", "first", "last"},
                      {}};
  int64_t up = 0;
  int64_t down = 0;
  int64_t up_by_r = 0;
  int64_t down_by_r = 0;
  for (const int64_t e : order) {
    const Trend& t = trends[e];
    up_by_r += t.correlation > spec.least_correlation;
    down_by_r += t.correlation < -spec.least_correlation;
    const Trending direction = trend_of(t, spec);
    if (direction == Trending::kNone) continue;
    const bool rises = direction == Trending::kStrengthened;
    ++(rises ? up : down);
    table.rows.push_back({graph.edge_name(e), rises ? "strengthened" : "weakened", 100 * t.slope, t.correlation, t.p,
                          t.q, magnitudes[e], magnitudes[(series.points() - 1) * series.edges + e]});
  }
  AnalysisResult result;
  result.findings.push_back(fmt::format(
      "{} of {} edges strengthened and {} weakened at a false discovery rate of {}, held against autocorrelated series "
      "({} discoveries).",
      up, series.edges, down, spec.false_discovery_rate, series.points()));
  result.findings.push_back(
      fmt::format("By |r| > {} alone, as published, they would be {} and {}: series that only wander are among those.",
                  spec.least_correlation, up_by_r, down_by_r));
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

Analysis trends_analysis() {
  return {"trends", "edges that strengthened or weakened, with slope, r and significance", false, run_trends};
}

}  // namespace circuit
