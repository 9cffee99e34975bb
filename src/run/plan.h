// What the loop reads of a configuration, and what a run takes before it starts.
#pragma once

#include <algorithm>
#include <cstdint>
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
  int64_t program = 0;  // what the process held beside the weights before it began
  int64_t weights = 0;
  int64_t discovery = 0;  // activations and what scores them
  int64_t step = 0;       // activations and gradients of a loss, which take the memory that a discovery leaves
  int64_t state = 0;      // optimiser state and copies of what has been trained
  int64_t working() const { return std::max(discovery, step); }
  int64_t total() const { return program + weights + working() + state; }
  std::string text() const;
};
// A warning with advice, where it is more than `limit` bytes.
void warn_of_memory(const TuneMemory& memory, int64_t limit);
// Of this rank. trained: parameters trained at a time; held: those trained so far, at least as many.
TuneMemory tune_memory(const RunConfig& config, const TuneModel& model, const TuneData& data, int64_t trained,
                       int64_t held);

// The circuit that a method needs before its first step: found on the first step's records, as a run of method circuit
// would.
struct FirstCircuit {
  ScoreResult scores;
  Circuit circuit;
  std::vector<int64_t> slices;  // ids
  double seconds = 0;
  ScoredCircuit scored() const { return {circuit, scores.scores}; }
};
FirstCircuit find_first_circuit(const RunConfig& config, const TuneModel& model, const TuneData& data);

}  // namespace circuit
