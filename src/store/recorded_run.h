// A run's film as values: its circuits, scores and node strengths, discovery by discovery.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "io/sqlite.h"

namespace circuit {

struct RecordedDiscovery {
  int64_t step = 0;
  Circuit circuit;
  double metric = 0;
  double trainable_share = 0;
  std::vector<float> upstream_strength, downstream_strength;  // Σ |S| over the circuit's edges, in node order
};

// Raw scores of every edge at discoveries that are equally far apart.
struct ScoreSeries {
  std::vector<double> steps;  // [points], ascending
  std::vector<float> values;  // [points, edges], row after row
  int64_t edges = 0;
  int64_t points() const { return static_cast<int64_t>(steps.size()); }
  const float* at(int64_t point) const { return values.data() + point * edges; }
};

// A slice that was ever trained: how far its steps went.
struct SlicePath {
  std::string node, tensor;
  int64_t parameters = 0;
  int64_t steps = 0;  // recorded ones, in which it was trained
  double path = 0;    // Σ of the norms of its recorded updates
};

class RecordedRun {
 public:
  // Reads run_folder/run.db. Throws Error naming it: not there, without a discovery, damaged.
  explicit RecordedRun(const std::string& run_folder);

  const std::string& folder() const { return folder_; }
  // Nodes and edges. What a node's parameters are it does not say: that is the model's to say.
  const Graph& graph() const { return graph_; }
  const std::vector<RecordedDiscovery>& discoveries() const { return discoveries_; }  // at least one, by step

  // Where the store has more than `max_bytes` of them, every second discovery, every third, … Of a run whose
  // discoveries are not equally far apart those that are. Read at the first call.
  const ScoreSeries& scores(int64_t max_bytes = int64_t{1} << 30);

  std::vector<SlicePath> slice_paths();

 private:
  std::string folder_;
  Database db_;
  Graph graph_;
  std::vector<RecordedDiscovery> discoveries_;
  std::optional<ScoreSeries> scores_;
};

// Steps among `steps` (ascending) that are equally far apart, the first among them: with the largest gap found between
// neighbours, so that points put in between drop out.
std::vector<int64_t> evenly_spread(const std::vector<int64_t>& steps);

}  // namespace circuit
