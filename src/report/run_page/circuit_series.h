// What a page holds of a run's circuits: the strength of every node at every discovery, the scores of the
// strongest edges, and which edges were in the circuit when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "report/run_page/run_data.h"

namespace circuit {

struct EdgeSeries {
  uint32_t upstream = 0, downstream = 0;  // indices of the run's node lists
  float largest = 0;                      // max |S| over the discoveries
  // Positions in CircuitSeries::discoveries at which the edge enters, leaves, enters, … the circuit.
  std::vector<uint32_t> turns = {};
};

struct CircuitSeries {
  // Indices of RunData::discoveries, ascending; all unless they are too many.
  std::vector<size_t> discoveries;
  std::vector<float> upstream;    // [discoveries, upstream nodes], Σ|score| over the circuit
  std::vector<float> downstream;  // [discoveries, downstream nodes]
  // The first `scored` have scores and come by largest |S|, falling; then come others that were in a circuit.
  std::vector<EdgeSeries> edges;
  size_t scored = 0;
  std::vector<float> scores;  // [discoveries, scored]; NaN where the run did not keep the score
  size_t graph_edges = 0;     // of the graph
  size_t with_scores = 0;     // discoveries here whose scores of all edges the run kept
  size_t left_out = 0;        // edges that were in a circuit and found no room
};

constexpr size_t kMaxDiscoveries = 2000;
constexpr size_t kMaxScoredEdges = 2000;

// Reads run_folder/run.db, of which `run` was read. What it gives fits, packed by series_data, in about
// `bytes`: of too many discoveries an even spread, then fewer scored edges, then the weakest other edges left
// out. Edges between nodes that are not in the node lists are left out. Empty for a run without discoveries
// or node lists. Throws Error naming the run: vectors whose length is not the graph's, a discovery of `run`
// that is no longer there.
CircuitSeries read_circuit_series(const std::string& run_folder, const RunData& run, size_t bytes);

}  // namespace circuit
