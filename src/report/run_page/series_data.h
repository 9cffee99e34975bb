// The circuits over time in the compact form that page/series.js reads.
#pragma once

#include "io/json.h"
#include "report/run_page/circuit_series.h"

namespace circuit {

// {"name", "method", "parallel": attention and MLP side by side,
//  "upstream", "downstream": node names, "graph_edges",
//  "discoveries": how many there were, "steps", "n_edges", "n_nodes", "share": of those that are here,
//  "upstream_strength", "downstream_strength": {"scale", "halves"}, [discoveries, nodes],
//  "index_bytes": 2 or 4, "ends": base64 of u0, d0, u1, d1, … of the edges, indices of the node lists,
//  "scored": how many of the first edges have scores, "scores": {"scale", "halves"}, [discoveries, scored],
//  "turns": base64 of varints: of every edge how many turns, the first, the distances to the next,
//  "with_scores": discoveries here whose scores of all edges the run kept; at the others
//  there are the circuit's,
//  "left_out": edges that were in a circuit and are not here}
Json series_data(const RunData& run, const CircuitSeries& series);

}  // namespace circuit
