#include "selection/stability.h"

#include <algorithm>
#include <iterator>

namespace circuit {
namespace {

// Σ_p times_p n_p S_p / Σ_p times_p n_p
EdgeScores weighted_mean(const PartScores& scores, const std::vector<int64_t>& times) {
  std::vector<double> sums(scores.parts[0].values.size());
  double total = 0;
  for (size_t p = 0; p < scores.parts.size(); ++p) {
    if (times[p] == 0) continue;
    const auto weight = static_cast<double>(times[p] * scores.examples[p]);
    total += weight;
    const std::vector<float>& values = scores.parts[p].values;
    for (size_t e = 0; e < sums.size(); ++e) sums[e] += weight * values[e];
  }
  EdgeScores mean;
  mean.values.reserve(sums.size());
  for (const double sum : sums) mean.values.push_back(static_cast<float>(sum / total));
  return mean;
}

}  // namespace

std::vector<int64_t> part_sizes(int64_t examples) {
  const int64_t parts = std::min(examples, kMostParts);
  std::vector<int64_t> sizes;
  for (int64_t p = 0; p < parts; ++p) sizes.push_back((p + 1) * examples / parts - p * examples / parts);
  return sizes;
}

EdgeScores whole_scores(const PartScores& scores) {
  return weighted_mean(scores, std::vector<int64_t>(scores.parts.size(), 1));
}

std::vector<float> selection_stability(const PartScores& scores,
                                       const std::function<Circuit(const EdgeScores&)>& select, int64_t resamples,
                                       Rng& rng) {
  std::vector<int64_t> selected(scores.parts[0].values.size());
  for (int64_t r = 0; r < resamples; ++r) {
    std::vector<int64_t> times(scores.parts.size());
    for (size_t draw = 0; draw < times.size(); ++draw) ++times[rng.below(times.size())];
    for (const int64_t id : select(weighted_mean(scores, times)).edges) ++selected[id];
  }
  std::vector<float> stability;
  stability.reserve(selected.size());
  for (const int64_t count : selected) {
    stability.push_back(static_cast<float>(static_cast<double>(count) / static_cast<double>(resamples)));
  }
  return stability;
}

Circuit stable_edges(const Circuit& circuit, const std::vector<float>& stability, double share) {
  Circuit stable;
  // In float32, as the shares are: 0.9 asked for is 0.9 found.
  std::copy_if(circuit.edges.begin(), circuit.edges.end(), std::back_inserter(stable.edges),
               [&](int64_t id) { return stability[id] >= static_cast<float>(share); });
  return stable;
}

}  // namespace circuit
