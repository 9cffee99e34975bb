// How alike two circuits or two score vectors are.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace circuit {

// |A ∩ B| / |A ∪ B|; 1 for two empty sets.
double jaccard_edges(const Circuit& a, const Circuit& b);
double jaccard_nodes(const CircuitNodes& a, const CircuitNodes& b);

// Spearman's rank correlation, ties at their mean rank; NaN when one of the two is constant.
double rank_correlation(const std::vector<float>& a, const std::vector<float>& b);
// In two parts, for who compares a vector twice: ranks from 0, and Pearson's correlation of two lists of ranks.
std::vector<double> ranks_of(const std::vector<float>& values);
double correlation_of_ranks(const std::vector<double>& a, const std::vector<double>& b);

// Number of edges of `after` that are not in `before`.
int64_t entered(const Circuit& before, const Circuit& after);

}  // namespace circuit
