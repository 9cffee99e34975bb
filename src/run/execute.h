// A run from its configuration to its result: the loop over training, evaluation and checkpoints. The one place where
// tuning, evaluation, dynamics and report meet.
#pragma once

#include <circuit/api.h>

#include <map>
#include <memory>
#include <string>

#include "model/compute.h"
#include "run/evaluate_run.h"
#include "run/run_config.h"
#include "run/run_model.h"
#include "run/step_report.h"

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
  int64_t peak_memory = 0;  // bytes that the process held at most
  int ranks = 1;
  int64_t sent_bytes = 0;  // to other ranks by each on average, in its steps
};

// A program that has the model in memory and looks on as it is trained.
struct RunHost {
  // The model's tensors by checkpoint name, equal to those at model.path: they are what is trained, and hold the last
  // step's values in the end. Empty: the run trains weights of its own.
  std::map<std::string, at::Tensor> weights;
  StepHook after_step;  // in the thread of the run, which waits for it
};

// Trains from the last checkpoint (or from the start) to the end, recording as it goes, and writes the page.
// kParanoid: one slice's gradient is held against differences of the loss first. Throws Error when they part.
enum class Checks { kUsual, kParanoid };
CIRCUIT_API RunSummary execute_run(RunConfig config, const ComputeSpec& compute, Checks checks,
                                   const RunHost& host = {});

}  // namespace circuit
