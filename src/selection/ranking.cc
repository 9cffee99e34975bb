#include "selection/ranking.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace circuit {
namespace {

std::vector<int64_t> wanted(const std::vector<double>& strength) {
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < static_cast<int64_t>(strength.size()); ++id) {
    if (strength[id] > 0) ids.push_back(id);
  }
  return ids;
}

auto stronger(const std::vector<double>& strength) {
  return [&strength](int64_t a, int64_t b) { return strength[a] != strength[b] ? strength[a] > strength[b] : a < b; };
}

}  // namespace

std::vector<double> strengths(const SelectionInput& input, const SelectionSpec& spec) {
  const std::vector<float>& scores = input.scores.values;
  const int64_t edges = input.graph.n_edges();
  if (spec.n < 0) fail("selection", "n: found {}, expected at least 0.", spec.n);
  if (static_cast<int64_t>(scores.size()) != edges) {
    fail("selection", "scores: found {}, expected {}, one per edge of the graph.", scores.size(), edges);
  }
  std::vector<double> strength(edges);
  for (int64_t id = 0; id < edges; ++id) {
    if (!std::isfinite(scores[id])) {
      fail("selection", "edge '{}': its score is {}, expected a finite number. Score in float32.",
           input.graph.edge_name(id), scores[id]);
    }
    strength[id] = spec.signed_scores ? scores[id] : std::fabs(scores[id]);
  }
  return strength;
}

std::vector<int64_t> ranked(const std::vector<double>& strength) {
  std::vector<int64_t> ids = wanted(strength);
  std::sort(ids.begin(), ids.end(), stronger(strength));
  return ids;
}

Circuit strongest(const std::vector<double>& strength, int64_t n) {
  std::vector<int64_t> ids = wanted(strength);
  if (n < static_cast<int64_t>(ids.size())) {
    std::nth_element(ids.begin(), ids.begin() + n, ids.end(), stronger(strength));
    ids.resize(n);
    std::sort(ids.begin(), ids.end());
  }
  return {ids};
}

}  // namespace circuit
