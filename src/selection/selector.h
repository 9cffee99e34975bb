// A circuit from edge scores (method.md §3). A selector is one file and one line in selectors().
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/parameters.h"
#include "core/rng.h"
#include "graph/graph.h"
#include "graph/slices.h"

namespace circuit {

struct SelectionSpec {
  std::string kind = "top-edges";  // of selectors(), or one that a run adds
  int64_t n = 1000;                // edges asked for; top-nodes: nodes
  SlicePolicy policy;              // what a circuit trains: for selectors that match a trainable size
  Parameters own;                  // of the selector
  bool signed_scores = false;      // rank by the score itself and take positive ones only, instead of by |score|

  // kind, n, the selectors' own, signed.
  void declare(Settings* settings);
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
  ParameterList parameters = {};  // the selector's own settings
};

const std::vector<Selector>& selectors();
const Selector& find_selector(const std::string& name);  // throws UsageError listing the known ones

// A selector is one file and one line here. It is declared, and listed in this order.
#define CIRCUIT_SELECTORS(METHOD)     \
  METHOD(top_edges_selector)          \
  METHOD(top_edges_weighted_selector) \
  METHOD(threshold_selector)          \
  METHOD(greedy_selector)             \
  METHOD(param_budget_selector)       \
  METHOD(top_nodes_selector)          \
  METHOD(random_selector)
#define CIRCUIT_DECLARE(name) Selector name();
CIRCUIT_SELECTORS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

}  // namespace circuit
