// Two circuits of one graph, compared.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"

namespace circuit {

// Edges, or the nodes of one side, by id, ascending.
struct SetDiff {
  std::vector<int64_t> shared, added, removed;  // in both, only in B, only in A
};

// What two random sets of a and b out of n elements share: hypergeometric.
struct ChanceOverlap {
  double mean = 0;     // a b / n
  double sd = 0;       // √(a b (n − a) (n − b) / (n² (n − 1)))
  double jaccard = 0;  // E[k / (a + b − k)]; 1 for two empty sets
};
ChanceOverlap chance_overlap(int64_t a, int64_t b, int64_t n);

// E[Jaccard of the nodes] of two random circuits of a and b edges, by `draws` pairs of them: no closed form is known to
// us.
double chance_jaccard_nodes(const Graph& graph, int64_t a, int64_t b, int64_t draws, Rng& rng);

struct ScoreChange {
  int64_t edge = 0;
  float before = 0, after = 0;
};

struct CircuitDiff {
  SetDiff edges, upstream, downstream;
  double jaccard_edges = 0, jaccard_nodes = 0;
  ChanceOverlap chance;              // of the edges
  double rank_correlation = 0;       // of the scores of all edges, Spearman; NaN where one vector is constant
  double rank_correlation_abs = 0;   // of |score|
  std::vector<ScoreChange> changes;  // edges of either circuit by |difference of scores|, the largest first
};

// Both circuits and scores on `graph`.
CircuitDiff diff_circuits(const Graph& graph, const Circuit& a, const EdgeScores& scores_a, const Circuit& b,
                          const EdgeScores& scores_b);

}  // namespace circuit
