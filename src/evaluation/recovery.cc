#include "evaluation/recovery.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace circuit {

Recovery recovery(const Circuit& found, const EdgeScores& scores, const Circuit& reference) {
  const size_t n = scores.values.size();
  std::vector<bool> marked(n);
  for (const int64_t e : reference.edges) marked[e] = true;
  double hits = 0;
  for (const int64_t e : found.edges) hits += marked[e];
  // Rank sum (Mann-Whitney), equal scores at their mean rank.
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto strength = [&](size_t e) { return std::fabs(scores.values[e]); };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return strength(a) < strength(b); });
  double rank_sum = 0;
  for (size_t first = 0; first < n;) {
    size_t end = first;
    while (end < n && strength(order[end]) == strength(order[first])) ++end;
    const double rank = (static_cast<double>(first + 1) + static_cast<double>(end)) / 2;
    for (size_t i = first; i < end; ++i) rank_sum += marked[order[i]] ? rank : 0;
    first = end;
  }
  const auto positives = static_cast<double>(reference.edges.size());
  const double negatives = static_cast<double>(n) - positives;
  return {hits / static_cast<double>(found.edges.size()), hits / positives,
          (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)};
}

}  // namespace circuit
