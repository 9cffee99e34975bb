// Spearman's correlation of |S| over all edges, between discoveries: whether the order of edges holds.
#include <cmath>

#include "core/error.h"
#include "core/spread.h"
#include "dynamics/analysis.h"
#include "graph/overlap.h"

namespace circuit {
namespace {

// Discoveries compared with each other; each also with its neighbour among all.
constexpr size_t kMatrix = 12;

std::vector<float> magnitudes(const ScoreSeries& series, size_t point) {
  const float* row = series.at(static_cast<int64_t>(point));
  std::vector<float> values(row, row + series.edges);
  for (float& v : values) v = std::fabs(v);
  return values;
}

AnalysisResult run_rank_correlation(const AnalysisInput& input) {
  const ScoreSeries& series = input.run.scores();
  if (series.points() < 2) {
    fail("rank-correlation", "the run has {} equally spaced discoveries with scores, expected at least 2.",
         series.points());
  }
  const auto points = static_cast<size_t>(series.points());
  AnalysisTable along{"rank_correlation", "Spearman's rho of |S| over all edges", {"step", "previous", "first"}, {}};
  const std::vector<float> first = magnitudes(series, 0);
  std::vector<float> before = first;
  double neighbours = 0;
  double ends = 0;
  for (size_t i = 1; i < points; ++i) {
    std::vector<float> now = magnitudes(series, i);
    const double with_previous = rank_correlation(before, now);
    ends = rank_correlation(first, now);
    neighbours += with_previous / static_cast<double>(points - 1);
    along.rows.push_back({static_cast<int64_t>(series.steps[i]), number_or_null(with_previous), number_or_null(ends)});
    before = std::move(now);
  }
  AnalysisTable matrix{
      "rank_correlation_matrix", "between discoveries spread over the run", {"step", "other", "rho"}, {}};
  const std::vector<size_t> chosen = spread_indices(points, kMatrix);
  for (size_t i = 0; i < chosen.size(); ++i) {
    for (size_t j = i + 1; j < chosen.size(); ++j) {
      matrix.rows.push_back(
          {static_cast<int64_t>(series.steps[chosen[i]]), static_cast<int64_t>(series.steps[chosen[j]]),
           number_or_null(rank_correlation(magnitudes(series, chosen[i]), magnitudes(series, chosen[j])))});
    }
  }
  AnalysisResult result;
  result.findings.push_back(
      fmt::format("|S| of all {} edges: Spearman's rho {:.3f} between neighbouring discoveries (mean), {:.3f} between "
                  "first and last.",
                  series.edges, neighbours, ends));
  result.tables.push_back(std::move(along));
  result.tables.push_back(std::move(matrix));
  return result;
}

}  // namespace

Analysis rank_correlation_analysis() {
  return {"rank-correlation", "whether the order of edges by |S| holds along training", false, run_rank_correlation};
}

}  // namespace circuit
