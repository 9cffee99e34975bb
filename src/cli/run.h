// A run: its folder, its model and data, and the loop over training, evaluation and checkpoints. The one
// place where tuning, evaluation, dynamics and report meet.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/tune_config.h"
#include "dynamics/recorder.h"
#include "evaluation/evaluation.h"
#include "graph/slices.h"
#include "tuning/run_checkpoint.h"

namespace circuit {

// Values by name ("dev/metric", "untouched/perplexity", …), as evaluations stores them.
using Evaluation = std::map<std::string, double>;

// The model of a run with the slices its method can train.
struct TuneModel {
  TuneModel(const TuneConfig& config, const CommonOptions& options);
  OpenModel open;
  Graph graph;
  SliceTable table;
  SliceStore store;
};

struct TuneData {
  TuneData(const TuneConfig& config, const OpenModel& open);
  Dataset train;
  std::optional<Dataset> dev, test;
  std::vector<int64_t> untouched;  // token ids; empty: none
  int64_t untouched_bytes = 0;
};

// Evaluates the weights as an export would hold them (rounded to the base's dtype).
enum class Splits { kDevelopment, kAll };
Evaluation evaluate_run(const TuneConfig& config, const TuneModel& model, const TuneData& data, Splits splits);

// Makes the run's folder with config.toml and run.db; refuses one that exists.
void create_run(const TuneConfig& config, const CommonOptions& options, const TuneModel& model);

struct RunSummary {
  Evaluation before, after;  // base model and best step, on all splits
  int64_t steps = 0;         // updates done
  int64_t best_step = 0;
  int64_t touched_parameters = 0;  // by the best step
  int64_t all_parameters = 0;
  int64_t largest_trainable = 0;   // at one step
  double seconds = 0;              // of training steps, evaluations left out
  bool interrupted = false;
};

// Trains from the last checkpoint (or from the start) to the end, recording as it goes, and writes the page.
RunSummary execute_run(const TuneConfig& config, const CommonOptions& options);

}  // namespace circuit
