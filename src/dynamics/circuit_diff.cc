#include "dynamics/circuit_diff.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "graph/overlap.h"

namespace circuit {
namespace {

SetDiff diff_sets(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  SetDiff diff;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(diff.shared));
  std::set_difference(b.begin(), b.end(), a.begin(), a.end(), std::back_inserter(diff.added));
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(diff.removed));
  return diff;
}

std::vector<int64_t> ids_of(const std::vector<bool>& members) {
  std::vector<int64_t> ids;
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i]) ids.push_back(static_cast<int64_t>(i));
  }
  return ids;
}

std::vector<float> magnitudes(const EdgeScores& scores) {
  std::vector<float> all;
  for (const float s : scores.values) all.push_back(std::fabs(s));
  return all;
}

// log of n over k
double log_choose(double n, double k) { return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1); }

}  // namespace

ChanceOverlap chance_overlap(int64_t a, int64_t b, int64_t n) {
  ChanceOverlap chance;
  if (a + b == 0 || n == 0) return {0, 0, 1};
  const auto x = static_cast<double>(a);
  const auto y = static_cast<double>(b);
  const auto all = static_cast<double>(n);
  chance.mean = x * y / all;
  if (n > 1) chance.sd = std::sqrt(x * y * (all - x) * (all - y) / (all * all * (all - 1)));
  const double total = log_choose(all, y);
  for (int64_t k = std::max<int64_t>(0, a + b - n); k <= std::min(a, b); ++k) {
    const auto both = static_cast<double>(k);
    const double probability = std::exp(log_choose(x, both) + log_choose(all - x, y - both) - total);
    chance.jaccard += probability * both / (x + y - both);
  }
  return chance;
}

double chance_jaccard_nodes(const Graph& graph, int64_t a, int64_t b, int64_t draws, Rng& rng) {
  const auto random_nodes = [&](int64_t size) {
    const std::vector<int64_t> order = permutation(graph.n_edges(), rng);
    return nodes_of(graph, Circuit{std::vector<int64_t>(order.begin(), order.begin() + size)});
  };
  double sum = 0;
  for (int64_t i = 0; i < draws; ++i) {
    const CircuitNodes one = random_nodes(a);
    sum += jaccard_nodes(one, random_nodes(b));
  }
  return sum / static_cast<double>(draws);
}

CircuitDiff diff_circuits(const Graph& graph, const Circuit& a, const EdgeScores& scores_a, const Circuit& b,
                          const EdgeScores& scores_b) {
  const CircuitNodes nodes_a = nodes_of(graph, a);
  const CircuitNodes nodes_b = nodes_of(graph, b);
  CircuitDiff diff;
  diff.edges = diff_sets(a.edges, b.edges);
  diff.upstream = diff_sets(ids_of(nodes_a.upstream), ids_of(nodes_b.upstream));
  diff.downstream = diff_sets(ids_of(nodes_a.downstream), ids_of(nodes_b.downstream));
  diff.jaccard_edges = jaccard_edges(a, b);
  diff.jaccard_nodes = jaccard_nodes(nodes_a, nodes_b);
  diff.chance =
      chance_overlap(static_cast<int64_t>(a.edges.size()), static_cast<int64_t>(b.edges.size()), graph.n_edges());
  diff.rank_correlation = rank_correlation(scores_a.values, scores_b.values);
  diff.rank_correlation_abs = rank_correlation(magnitudes(scores_a), magnitudes(scores_b));
  std::vector<int64_t> either;
  std::set_union(a.edges.begin(), a.edges.end(), b.edges.begin(), b.edges.end(), std::back_inserter(either));
  for (const int64_t id : either) diff.changes.push_back({id, scores_a.values[id], scores_b.values[id]});
  std::stable_sort(diff.changes.begin(), diff.changes.end(), [](const ScoreChange& x, const ScoreChange& y) {
    return std::fabs(x.after - x.before) > std::fabs(y.after - y.before);
  });
  return diff;
}

}  // namespace circuit
