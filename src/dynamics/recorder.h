// Writes a run into its run.db, and to its loggers: every discovery, every step, every evaluation (docs/formats.md).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dynamics/run_log.h"
#include "dynamics/score_retention.h"
#include "graph/graph.h"
#include "graph/slices.h"
#include "io/sqlite.h"
#include "tuning/trainer.h"

namespace circuit {

struct RecorderSpec {
  ScoreRetention scores;
  std::vector<std::string> loggers;  // names of loggers()
};

class Recorder {
 public:
  // Creates run.db at `path` with the graph's edges and the slices a method can train, in one transaction.
  static void create(const std::string& path, const Graph& graph, const std::vector<Slice>& slices,
                     const std::map<std::string, std::string>& meta);

  // Opens a run's store to go on from `next_step`: rows of that step and later are dropped, and
  // evaluations later than it. The logs, beside the store, follow.
  Recorder(const std::string& path, const Graph& graph, int64_t next_step, RecorderSpec spec = {});
  // Closes the store's write-ahead log.
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // trainable: of the circuit, as it was just selected.
  void discovery(const DiscoveryEvent& event, int64_t trainable_parameters, int64_t all_parameters);
  void step(const StepEvent& event);
  void evaluation(int64_t step, const std::map<std::string, double>& values);

  // Around the writing of a checkpoint: a run that goes on from it compares its next discovery with the scores of the
  // last one, so those stay in the store until there is a later checkpoint.
  void before_checkpoint();
  void after_checkpoint();
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
  void drop_rows(int64_t next_step);
  void read_last();
  void keep_scores(int64_t step, const std::vector<float>* scores);  // nullptr: no longer
  const RecorderSpec spec_;
  const Graph graph_;
  Database db_;
  std::unique_ptr<RunLog> log_;
  std::optional<Circuit> first_, last_;
  int64_t last_step_ = -1;
  std::vector<float> last_scores_;     // empty: not kept
  std::vector<double> last_ranks_;     // of last_scores_
  std::optional<int64_t> for_resume_;  // the step whose scores are kept for a checkpoint only
};

}  // namespace circuit
