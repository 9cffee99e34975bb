// A circuit from edge scores (method.md §3). A selector is one file and one line in selectors().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"
#include "graph/slices.h"

namespace circuit {

struct SelectionSpec {
  int64_t n = 1000;     // edges asked for
  SlicePolicy policy;   // what a circuit trains: for selectors that match a trainable size
};

struct SelectionInput {
  const Graph& graph;
  const EdgeScores& scores;
  const SliceTable& slices;
};

struct Selector {
  std::string name;
  std::string help;
  // May return fewer edges than asked for (fewer non-zero scores): callers report the realised count.
  Circuit (*select)(const SelectionInput& input, const SelectionSpec& spec, Rng& rng);
};

const std::vector<Selector>& selectors();
const Selector& find_selector(const std::string& name);  // throws UsageError listing the known ones

Selector top_edges_selector();
Selector random_selector();

}  // namespace circuit
