// A circuit from edge scores (method.md §3). A selector is one file and one line in selectors().
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"
#include "graph/slices.h"

namespace circuit {

struct SelectionSpec {
  int64_t n = 1000;            // edges asked for; top-nodes: nodes
  SlicePolicy policy;          // what a circuit trains: for selectors that match a trainable size
  double threshold = 0;        // threshold: least |score|, metric units per example
  double budget = 1;           // param-budget: largest trainable share of all parameters, in (0, 1]
  bool signed_scores = false;  // rank by the score itself and take positive ones only, instead of by |score|
};

struct SelectionInput {
  const Graph& graph;
  const EdgeScores& scores;
  const SliceTable& slices;
};

struct Selector {
  std::string name;
  std::string help;
  // May return fewer edges than asked for (fewer non-zero scores), even none: callers report the realised
  // count. Throws Error naming the edge of a score that is not finite, UsageError for a spec it cannot follow.
  std::function<Circuit(const SelectionInput& input, const SelectionSpec& spec, Rng& rng)> select;
};

const std::vector<Selector>& selectors();
const Selector& find_selector(const std::string& name);  // throws UsageError listing the known ones

Selector top_edges_selector();
Selector top_edges_weighted_selector();
Selector threshold_selector();
Selector greedy_selector();
Selector param_budget_selector();
Selector top_nodes_selector();
Selector random_selector();

}  // namespace circuit
