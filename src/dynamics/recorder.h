// Writes a run into its run.db: every discovery, every step, every evaluation (docs/formats.md).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/slices.h"
#include "io/sqlite.h"
#include "tuning/trainer.h"

namespace circuit {

class Recorder {
 public:
  // Creates run.db at `path` with the graph's edges and the slices a method can train, in one transaction.
  static void create(const std::string& path, const Graph& graph, const std::vector<Slice>& slices,
                     const std::map<std::string, std::string>& meta);

  // Opens a run's store to go on from `next_step`: rows of that step and later are dropped, and
  // evaluations later than it.
  Recorder(const std::string& path, const Graph& graph, int64_t next_step);

  // trainable: of the circuit, as it was just selected.
  void discovery(const DiscoveryEvent& event, int64_t trainable_parameters, int64_t all_parameters);
  void step(const StepEvent& event);
  void evaluation(int64_t step, const std::map<std::string, double>& values);
  void meta(const std::string& key, const std::string& value);

  // Values of one evaluation step, by name.
  std::map<std::string, double> evaluations(int64_t step);
  struct Totals {
    double seconds = 0;             // of all steps, whoever ran them
    int64_t largest_trainable = 0;  // parameters trained at one step
  };
  Totals totals();

  // The last discovery's circuit, for a resumed run.
  const std::optional<Circuit>& last_circuit() const { return last_; }

 private:
  static Circuit circuit_of(Database& db, int64_t step);
  const Graph graph_;
  Database db_;
  std::optional<Circuit> first_, last_;
  std::vector<float> last_scores_;
};

}  // namespace circuit
