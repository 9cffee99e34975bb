// What the report needs of a run's store, as plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/json.h"
#include "report/run_page/weight_updates.h"
#include "store/run_reader.h"

namespace circuit {

struct Point {
  double step;
  double value;  // may be NaN or infinite: a diverged run has such numbers
};
using Curve = std::vector<Point>;  // by step, ascending

struct RunData {
  std::string name;  // the folder's own name
  std::map<std::string, std::string> meta;
  Json architecture, graph, summary;  // objects; empty where meta has none
  std::vector<std::string> upstream_nodes, downstream_nodes;
  Curve loss, training_metric, gradient_norm, learning_rate, trainable_parameters;
  int64_t steps = 0;
  double seconds = 0;  // sum of the steps' own times
  int64_t target_tokens = 0;
  std::map<std::string, Curve> evaluations;  // by name, e.g. "dev/metric"
  std::vector<DiscoveryRow> discoveries;
  std::vector<NodeUpdates> updates;
  std::optional<int64_t> touched_parameters;  // of all slices that were ever trained
};

// The store of a run, to read for a page: errors name "report RUN". Throws Error: no such file, a version that this
// program does not read.
RunReader open_run(const std::string& run_folder);

// Reads run_folder/run.db. Throws Error naming the run: no such file, a version that this program does not read, a
// missing table, meta that is no JSON.
RunData read_run(const std::string& run_folder);

}  // namespace circuit
