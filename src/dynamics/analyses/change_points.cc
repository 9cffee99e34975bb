// Where learning jumps: steps in the metric, the size and turnover of the circuit, and every node's strength.
#include "dynamics/change_points.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "dynamics/analysis.h"
#include "graph/overlap.h"

namespace circuit {
namespace {

constexpr double kFalseDiscoveryRate = 0.05;
constexpr int64_t kMostPoints = 300;  // of longer runs every second discovery, every third, …: the nulls grow with it

struct Series {
  std::string name;
  std::vector<double> values;
};

std::vector<Series> series_of(const Graph& graph, const std::vector<const RecordedDiscovery*>& d) {
  std::vector<Series> all;
  const auto add = [&](const std::string& name, const auto& value) {
    Series s{name, {}};
    for (const RecordedDiscovery* each : d) s.values.push_back(value(*each));
    all.push_back(std::move(s));
  };
  add("metric", [](const RecordedDiscovery& r) { return r.metric; });
  add("trainable share", [](const RecordedDiscovery& r) { return r.trainable_share; });
  add("strength of the circuit", [](const RecordedDiscovery& r) {
    double sum = 0;
    for (const float v : r.upstream_strength) sum += v;
    return sum;
  });
  Series turnover{"overlap with the previous circuit", {}};
  for (size_t i = 1; i < d.size(); ++i) turnover.values.push_back(jaccard_edges(d[i - 1]->circuit, d[i]->circuit));
  all.push_back(std::move(turnover));
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    add(graph.upstream_name(u), [u](const RecordedDiscovery& r) { return r.upstream_strength[u]; });
  }
  return all;
}

AnalysisResult run_change_points(const AnalysisInput& input) {
  const std::vector<RecordedDiscovery>& all = input.run.discoveries();
  std::vector<int64_t> steps;
  for (const RecordedDiscovery& d : all) steps.push_back(d.step);
  steps = evenly_spread(steps);
  const auto stride = (static_cast<int64_t>(steps.size()) + kMostPoints - 1) / kMostPoints;
  std::vector<const RecordedDiscovery*> chosen;
  for (size_t i = 0, next = 0; i < all.size(); ++i) {
    if (next < steps.size() && all[i].step == steps[next]) {
      chosen.push_back(&all[i]);
      next += static_cast<size_t>(stride);
    }
  }
  const auto points = static_cast<int64_t>(chosen.size());
  if (points < kLeastPoints + 1) {
    fail("change-points", "the run has {} equally spaced discoveries, expected at least {}. Discover more often.",
         points, kLeastPoints + 1);
  }
  const std::vector<Series> series = series_of(input.run.graph(), chosen);
  StepNulls nulls(input.seed);
  std::vector<double> p;
  for (const Series& s : series) {
    p.push_back(nulls.of_length(static_cast<int64_t>(s.values.size())).p_of(largest_step(s.values).measured));
  }
  const std::vector<double> q = benjamini_hochberg(p);
  double level = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    if (q[i] <= kFalseDiscoveryRate) level = std::max(level, p[i]);
  }
  AnalysisTable table{"change_points",
                      "jumps beside a series' line",
                      {"series", "step", "jump", "variance_explained", "p", "q_of_series"},
                      {}};
  int64_t jumping = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    if (q[i] > kFalseDiscoveryRate) continue;
    ++jumping;
    // The overlap series begins at the second discovery.
    const auto shift = chosen.size() - series[i].values.size();
    for (const ChangePoint& c : change_points(series[i].values, level, nulls)) {
      table.rows.push_back({series[i].name, chosen[static_cast<size_t>(c.at) + shift]->step, c.size,
                            c.measured.statistic * c.measured.statistic, c.p, q[i]});
    }
  }
  std::stable_sort(table.rows.begin(), table.rows.end(), [](const auto& a, const auto& b) { return a[4] < b[4]; });
  AnalysisResult result;
  result.findings.push_back(fmt::format(
      "{} of {} series jump at a false discovery rate of {} ({} discoveries; held against autocorrelated series).",
      jumping, series.size(), kFalseDiscoveryRate, points));
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

Analysis change_points_analysis() {
  return {"change-points", "steps at which metric, circuit or a node's strength jumps", false, run_change_points};
}

}  // namespace circuit
