// What a run works with: its model and data, and what its method trains.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/tune_config.h"
#include "graph/slices.h"
#include "tuning/parameter_store.h"
#include "tuning/slice_store.h"
#include "tuning/trainer.h"

namespace circuit {

struct TuneModel {
  TuneModel(const TuneConfig& config, const CommonOptions& options);
  OpenModel open;
  Graph graph;
  SliceTable table;
};

struct TuneData {
  TuneData(const TuneConfig& config, const OpenModel& open);
  Dataset train;
  std::optional<Dataset> dev, test;
  std::vector<Example> replay;  // windows of general text
  EncodedText untouched;        // no ids: none
};

// A file as a run of this configuration reads its records.
Dataset read_run_records(const std::string& path, const TuneConfig& config, const OpenModel& open);

// Methods that find circuits as they train.
bool discovers(const TuneConfig& config);

// What the loop reads of a configuration. model and data must outlive it.
TunerSpec tuner_spec(const TuneConfig& config, const TuneModel& model, const TuneData& data);

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
TuneMemory tune_memory(const TuneConfig& config, const TuneModel& model, const TuneData& data, int64_t trained);
int64_t longest_record(const Dataset& data);  // tokens

// The circuit that a method needs before its first step: LoRA restricted to a circuit, or of its size.
bool needs_first_circuit(const TuneConfig& config);
struct FirstCircuit {
  ScoreResult scores;
  Circuit circuit;
  std::vector<int64_t> slices;  // ids
  double seconds = 0;
};
// Found on the first step's records, as a run of method circuit would.
FirstCircuit find_first_circuit(const TuneConfig& config, const TuneModel& model, const TuneData& data);

// tuning.match_parameters, carried out: the configuration with the rank whose parameters come nearest to those of
// the circuit.
TuneConfig matched(TuneConfig config, const TuneModel& model, const FirstCircuit& first);

// The parameters that the method trains, nothing selected yet. circuit: the first one, for lora.circuit; else null.
std::unique_ptr<ParameterStore> make_store(const TuneConfig& config, TuneModel& model, const Circuit* circuit);

// The loop itself. store must be the method's.
std::unique_ptr<Trainer> make_trainer(const TuneConfig& config, const TuneModel& model, const TuneData& data,
                                      ParameterStore& store);

}  // namespace circuit
