// A circuit out of a run's store, in the form that circuit files have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "graph/circuit_file.h"
#include "io/sqlite.h"

namespace circuit {

// The shape of a run's graph. Throws Error naming the store and the key.
CircuitShape recorded_shape(Database& run_db);

struct RecordedCircuit {
  int64_t step = 0;  // of the discovery that found it
  CircuitFile file;  // without stability
};

// The circuit that was trained at `step`: of the last discovery that is not later; without a step, of the
// last one. Throws Error naming the run: it never discovered, did not get as far as `step`, or its store is
// damaged.
RecordedCircuit read_recorded_circuit(const std::string& run, std::optional<int64_t> step);

}  // namespace circuit
