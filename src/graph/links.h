// What happens inside a node: which of its readers feed which of its outputs. Edges and links together make
// the paths of the graph (method.md §1).
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace circuit {

// Downstream nodes that upstream node u is computed from: q, k and v of a head (k and v of its key/value
// head when they are grouped), an MLP's own input; none for `input`.
std::vector<int64_t> readers_of(const Graph& graph, int64_t u);

// Upstream nodes computed from downstream node v, the inverse of readers_of: a grouped key or value reader
// leads to every head of its group; none for `logits`.
std::vector<int64_t> writers_of(const Graph& graph, int64_t v);

}  // namespace circuit
