// A run as it stands at this moment, going on or over: what `circuit watch` shows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace circuit {

struct RunView {
  std::string method, status, config;     // meta's
  int64_t steps = 0;                      // updates done
  double step_seconds = 0;                // of a step, mean over the last ones; 0 without steps
  std::vector<double> losses;             // of every step
  std::vector<double> metrics;            // of every discovery
  int64_t trainable = 0, parameters = 0;  // of the last step, and of the model

  struct Discovery {
    int64_t step = 0, edges = 0, nodes = 0, entered = 0, left = 0;
    std::optional<double> jaccard_previous, jaccard_first;  // of edges
  };
  std::optional<Discovery> discovery;  // the last

  struct Evaluation {
    std::optional<double> base;  // at step 0
    double last = 0;
    int64_t step = 0;  // of the last
  };
  std::map<std::string, Evaluation> evaluations;

  struct Node {
    std::string name;
    double first = 0,
           now = 0;  // Σ |score| of its outgoing edges in the circuit, at the first and the last discovery
  };
  std::vector<Node> nodes;  // the strongest now, descending

  double idle_seconds = 0;  // since the last row was written
};

// Reads it in one snapshot; the writer goes on meanwhile. Throws Error naming the run: no run.db, or not that
// of a run.
RunView read_run_view(const std::string& run, size_t most_nodes);

}  // namespace circuit
