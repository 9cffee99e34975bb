// checkpoints/step-000500/ of a run: the state after 500 updates, complete or absent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tuning/circuit_policy.h"
#include "tuning/parameter_store.h"

namespace circuit {

struct RunState {
  int64_t step = 0;                  // updates done
  std::optional<int64_t> best_step;  // by the dev metric
  double best_metric = 0;
  int64_t evaluations_since_best = 0;
  bool evaluation_due = false;  // stopped in the middle of this step's evaluation
  PolicyState policy;           // of the circuits found so far
};

// Writes the checkpoint folder of state.step below `run`, replacing one of the same step.
// base: the model's checkpoint, whose tensors' sha256 the values are tied to.
void save_checkpoint(const std::string& run, const ParameterStore& store, const Checkpoint& base,
                     const RunState& state);

// Steps that have a checkpoint, ascending.
std::vector<int64_t> checkpoint_steps(const std::string& run);
std::string checkpoint_folder(const std::string& run, int64_t step);
// Removes what a killed process was still writing below `run` (names with ".tmp-").
void remove_unfinished(const std::string& run);
void remove_checkpoint(const std::string& run, int64_t step);

// Restores the store (and through it the model, freshly loaded from the base). Throws Error when the
// checkpoint is damaged or the base model's tensors are not the ones it was made from.
RunState load_checkpoint(const std::string& run, int64_t step, const Checkpoint& base, ParameterStore& store);
// The same without the optimiser's state, which is twice the values: for who reads the model and does not train it.
void load_values(const std::string& run, int64_t step, const Checkpoint& base, ParameterStore& store);

}  // namespace circuit
