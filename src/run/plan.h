// What the loop reads of a configuration, and what a run takes before it starts.
#pragma once

#include <string>
#include <vector>

#include "run/run_config.h"
#include "run/run_model.h"
#include "tuning/trainer.h"

namespace circuit {

// model and data must outlive it.
TunerSpec tuner_spec(const RunConfig& config, const TuneModel& model, const TuneData& data);

// What a run takes, from its shapes, in bytes.
struct TuneMemory {
  int64_t weights = 0;
  int64_t activations = 0;  // of a discovery or of a loss, whichever is more
  int64_t state = 0;        // gradients, optimiser state and copies of what is trained
  int64_t total() const { return weights + activations + state; }
  std::string text() const;
};
constexpr const char* kMemoryAdvice =
    "lower tuning.batch and raise tuning.accumulation, or set tuning.recompute = true.";
// trained: parameters trained at a time.
TuneMemory tune_memory(const RunConfig& config, const TuneModel& model, const TuneData& data, int64_t trained);

// The circuit that a method needs before its first step: found on the first step's records, as a run of method circuit
// would.
struct FirstCircuit {
  ScoreResult scores;
  Circuit circuit;
  std::vector<int64_t> slices;  // ids
  double seconds = 0;
};
FirstCircuit find_first_circuit(const RunConfig& config, const TuneModel& model, const TuneData& data);

}  // namespace circuit
