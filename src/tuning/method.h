// A way of tuning: what is trained, when it is chosen again, what it costs, what is exported. A method is one file in
// methods/ and one line in CIRCUIT_TUNING_METHODS.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tuning/optimizer_settings.h"
#include "tuning/trainer.h"
#include "tuning/tuning_settings.h"

namespace circuit {

// What a method sees of a run; all of it outlives what the method makes.
struct MethodInput {
  Model& model;
  const Graph& graph;
  const SliceTable& table;
  const TuningSettings& tuning;
  const OptimizerSettings& optimizer;
  const SliceChoice* choice = nullptr;  // which slices; null: the circuit's
};

// A circuit with the scores that it was selected by; those of edges outside it may be missing, as 0.
struct ScoredCircuit {
  const Circuit& circuit;
  const EdgeScores& scores;
};

// What is trained in one run.
class Trained {
 public:
  virtual ~Trained() = default;
  virtual ParameterStore& store() = 0;
  // Before the first step of a run that begins; one that goes on has its checkpoint instead.
  virtual void begin() {}
  virtual std::unique_ptr<Trainer> trainer(TunerSpec spec) = 0;
  // As PEFT reads them; base: the model directory they belong to. Returns how many there are. Throws Error where the
  // method exports none.
  virtual int64_t write_adapters(const std::string& base, const std::string& folder) const;
};

// What the state beside the weights depends on.
struct StateShape {
  int64_t trained = 0;  // parameters trained at a time
  int64_t held = 0;     // parameters that have been trained: what of them is kept stays
  int64_t element = 4;  // bytes of one in the model
  int64_t states = 0;   // of the optimiser, a parameter
  int64_t batches = 1;  // whose gradients add up: micro-batches, replay
  bool summed = false;  // gradients of a backward add up: of an embedding and of the unembedding that is tied to it
  int64_t weights = 0;  // bytes of the model
};

class TuningMethod {
 public:
  virtual ~TuningMethod() = default;
  virtual const char* name() const = 0;
  virtual const char* help() const = 0;  // "every parameter"
  // Settings of its own, which stand in a section of its name.
  virtual ParameterList parameters() const { return {}; }

  // Whether it finds circuits as it trains.
  virtual bool finds_circuits() const { return false; }
  // Whether it needs one before its first step, and whether what it trains is made from that.
  virtual bool needs_first_circuit(const TuningSettings&) const { return false; }
  virtual bool is_made_of_first_circuit(const TuningSettings&) const { return false; }
  // Throws Error at `place` for a selection that it cannot follow.
  virtual void check(const SelectionSpec& selection, const std::string& place) const {}
  // When the circuit is chosen, and what of it is trained.
  virtual void shape(PolicySpec* policy) const {}
  // tuning.match_parameters, carried out: settings with which it trains about as many parameters as `slices` have.
  virtual void match(const MethodInput& input, const Circuit& first, const std::vector<int64_t>& slices,
                     TuningSettings* settings) const {}

  // Nothing selected yet. first: where it is made of a circuit; else null.
  virtual std::unique_ptr<Trained> make(const MethodInput& input, const ScoredCircuit* first) const = 0;
  // Whether what it trains are the model's own parameters; else adapters beside them.
  virtual bool trains_slices() const { return true; }
  // Bytes of gradients, which a step makes and leaves; and of optimiser state and copies, which stay.
  virtual int64_t gradient_bytes(const StateShape& shape, const TuningSettings& tuning) const;
  virtual int64_t state_bytes(const StateShape& shape) const;
};

const std::vector<const TuningMethod*>& tuning_methods();
const TuningMethod& find_tuning_method(const std::string& name);  // throws UsageError listing the known ones

// A method is one file and one line here. It is declared, and listed in this order; the first is the default.
#define CIRCUIT_TUNING_METHODS(METHOD) \
  METHOD(circuit_method)               \
  METHOD(full_method)                  \
  METHOD(lora_method)                  \
  METHOD(random_method)                \
  METHOD(fixed_method)                 \
  METHOD(complement_method)
#define CIRCUIT_DECLARE(name) const TuningMethod& name();
CIRCUIT_TUNING_METHODS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

}  // namespace circuit
