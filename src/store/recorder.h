// Records a run into its run.db, and into its logs: every discovery, every step, every evaluation (docs/formats.md).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/slices.h"
#include "store/run_log.h"
#include "store/run_writer.h"
#include "store/score_retention.h"

namespace circuit {

struct RecorderSpec {
  ScoreRetention scores;
  std::vector<std::string> loggers;  // names of loggers()
};

// What a run says of a discovery …
struct DiscoveryRecord {
  int64_t step;
  const EdgeScores& scores;
  const Circuit& circuit;
  double metric;  // mean over the discovery's examples
  int64_t examples;
  double sum_rule_error;
  double seconds;
};

// … and of a step.
struct StepRecord {
  int64_t step;
  double loss;    // mean nats per target token, as optimised
  double metric;  // of the discovery on this step, or NaN
  double learning_rate;
  int64_t target_tokens;
  int64_t trainable_parameters;
  SliceNorms norms;
  double seconds;
};

class Recorder {
 public:
  // Creates run.db at `path` with the graph's edges and the slices a method can train. meta: without the version.
  static void create(const std::string& path, const Graph& graph, const std::vector<Slice>& slices,
                     const std::map<std::string, std::string>& meta);

  // Opens a run's store to go on from `next_step`: rows of that step and later are dropped, and
  // evaluations later than it. The logs, beside the store, follow.
  Recorder(const std::string& path, const Graph& graph, int64_t next_step, RecorderSpec spec = {});
  // Writes nothing: of a rank that knows what the first one records. last: the last discovery's circuit.
  Recorder(const Graph& graph, std::optional<Circuit> last) : graph_(graph), last_(std::move(last)) {}
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // trainable: of the circuit, as it was just selected.
  void discovery(const DiscoveryRecord& found, int64_t trainable_parameters, int64_t all_parameters);
  void step(const StepRecord& done);
  void evaluation(int64_t step, const std::map<std::string, double>& values);

  // Around the writing of a checkpoint: a run that goes on from it compares its next discovery with the scores of the
  // last one, so those stay in the store until there is a later checkpoint.
  void before_checkpoint();
  void after_checkpoint();
  void meta(const std::string& key, const std::string& value) {
    if (writer_) writer_->meta(key, value);
  }

  // Values of one evaluation step, by name; none of a recorder that writes nothing.
  std::map<std::string, double> evaluations(int64_t step) {
    return writer_ ? writer_->evaluations(step) : std::map<std::string, double>();
  }
  struct Totals {
    double seconds = 0;             // of all steps, whoever ran them
    int64_t largest_trainable = 0;  // parameters trained at one step
  };
  Totals totals();

  // The last discovery's circuit, for a resumed run.
  const std::optional<Circuit>& last_circuit() const { return last_; }

 private:
  void read_last();
  const RecorderSpec spec_;
  const Graph graph_;
  std::optional<RunWriter> writer_;
  std::unique_ptr<RunLog> log_;
  std::optional<Circuit> first_, last_;
  int64_t last_step_ = -1;
  std::vector<float> last_scores_;     // empty: not kept
  std::vector<double> last_ranks_;     // of last_scores_
  std::optional<int64_t> for_resume_;  // the step whose scores are kept for a checkpoint only
};

}  // namespace circuit
