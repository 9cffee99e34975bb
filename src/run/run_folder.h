// A run's folder: made when it begins, held against the configuration when it goes on.
#pragma once

#include <string>

#include "model/compute.h"
#include "run/run_model.h"
#include "tuning/parameter_store.h"

namespace circuit {

// Makes the run's folder with config.toml and run.db; refuses one that exists.
void create_run(const RunConfig& config, const ComputeSpec& compute, const TuneModel& model,
                const ParameterStore& store);

// The precision is no key of config.toml, but changes a run's result as one would. Throws Error for another than the
// run began with.
void check_same_dtype(const RunConfig& config, const ComputeSpec& compute);

// model.init = random, carried out: new weights beside the run, in the model directory RUN.init, which is the run's
// base from then on. Other configurations as they are.
RunConfig with_initial_weights(RunConfig config);

}  // namespace circuit
