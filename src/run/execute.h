// A run from its configuration to its result: the loop over training, evaluation and checkpoints. The one place where
// tuning, evaluation, dynamics and report meet.
#pragma once

#include <circuit/api.h>

#include <memory>
#include <string>

#include "model/compute.h"
#include "run/evaluate_run.h"
#include "run/run_config.h"
#include "run/run_model.h"

namespace circuit {

// What a run trains, to load a checkpoint of it into. run: its folder.
std::unique_ptr<Trained> stored_parameters(const RunConfig& config, const std::string& run, TuneModel& model);

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

// Trains from the last checkpoint (or from the start) to the end, recording as it goes, and writes the page.
// kParanoid: one slice's gradient is held against differences of the loss first. Throws Error when they part.
enum class Checks { kUsual, kParanoid };
CIRCUIT_API RunSummary execute_run(RunConfig config, const ComputeSpec& compute, Checks checks);

}  // namespace circuit
