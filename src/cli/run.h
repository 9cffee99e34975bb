// A run: its folder, its model and data, and the loop over training, evaluation and checkpoints. The one
// place where tuning, evaluation, dynamics and report meet.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/tune_config.h"
#include "cli/tune_model.h"
#include "dynamics/recorder.h"
#include "evaluation/evaluation.h"
#include "tuning/run_checkpoint.h"

namespace circuit {

// Values by name ("dev/metric", "untouched/perplexity", …), as evaluations stores them.
using Evaluation = std::map<std::string, double>;

// Evaluates the weights as an export would hold them (rounded to the base's dtype).
enum class Splits { kDevelopment, kAll };
Evaluation evaluate_run(const TuneConfig& config, const TuneModel& model, ParameterStore& store,
                        const TuneData& data, Splits splits);

// Makes the run's folder with config.toml and run.db; refuses one that exists.
void create_run(const TuneConfig& config, const CommonOptions& options, const TuneModel& model,
                const ParameterStore& store);

// The parameters that a run trains, to load a checkpoint of it into.
std::unique_ptr<ParameterStore> stored_parameters(const TuneConfig& config, const std::string& run,
                                                  TuneModel& model);

struct RunSummary {
  Evaluation before, after;  // base model and best step, on all splits
  int64_t steps = 0;         // updates done
  int64_t best_step = 0;
  int64_t touched_parameters = 0;  // of the model that the best step has changed
  int64_t all_parameters = 0;
  int64_t largest_trainable = 0;  // at one step
  double seconds = 0;             // of training steps, evaluations left out
  bool interrupted = false;
};

// model.init = random, carried out: new weights beside the run, in the model directory RUN.init, which is the run's
// base from then on. Other configurations as they are.
TuneConfig with_initial_weights(TuneConfig config);

// Trains from the last checkpoint (or from the start) to the end, recording as it goes, and writes the page.
// kParanoid: one slice's gradient is held against differences of the loss first. Throws Error when they part.
enum class Checks { kUsual, kParanoid };
RunSummary execute_run(TuneConfig config, const CommonOptions& options, Checks checks);

}  // namespace circuit
