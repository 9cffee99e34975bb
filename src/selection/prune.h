// Dropping what cannot matter from a circuit (method.md §3).
#pragma once

#include "graph/graph.h"

namespace circuit {

// The edges of a circuit that lie on a path from `input` to `logits` made of its edges; a path may enter a
// head by q, k or v, and a grouped key or value reader leads to every head of its group. Linear in edges and
// nodes. The result is what repeatedly dropping edges of nodes without input or output ends with.
Circuit prune(const Graph& graph, const Circuit& circuit);

}  // namespace circuit
