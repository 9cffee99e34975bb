// The order in which selectors take edges.
#pragma once

#include <cstdint>
#include <vector>

#include "selection/selector.h"

namespace circuit {

// Per edge, in edge order, how strongly it is wanted: |S|, or S itself with signed scores (only edges that
// support the metric: the signed top-n of MIB's CPR). What is not above 0 is never taken.
// Throws Error for an n below 0, for a number of scores that is not the graph's, and naming the edge of a
// score that is not finite.
std::vector<double> strengths(const SelectionInput& input, const SelectionSpec& spec);

// Edges with a strength above 0, strongest first, ties by edge order.
std::vector<int64_t> ranked(const std::vector<double>& strength);

// The first n of ranked(strength), or all where there are fewer. O(edges) beside sorting the n.
Circuit strongest(const std::vector<double>& strength, int64_t n);

}  // namespace circuit
