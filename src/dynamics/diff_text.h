// Differences of two circuits or two models, for people and for machines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dynamics/circuit_diff.h"
#include "dynamics/weight_diff.h"
#include "graph/circuit_file.h"
#include "io/json.h"

namespace circuit {

// One side: a circuit with what to call it, or a model's directory.
struct DiffSide {
  std::string name;
  std::optional<CircuitFile> circuit;
};
// A circuit file, a run (its last circuit), RUN:STEP or a model directory. Throws Error where it is none.
DiffSide open_diff_side(const std::string& text);

// Both on one graph: where one file shares key and value readers and the other does not, they are compared shared.
Graph on_one_graph(DiffSide* a, DiffSide* b);

// top: rows of the largest changes.
Json circuits_json(const DiffSide& a, const DiffSide& b, const Graph& graph, const CircuitDiff& diff, int64_t top);
std::string circuits_text(const DiffSide& a, const DiffSide& b, const Graph& graph, const CircuitDiff& diff,
                          int64_t top);
Json weights_json(const DiffSide& a, const DiffSide& b, const WeightDiff& diff);
std::string weights_text(const DiffSide& a, const DiffSide& b, const WeightDiff& diff, int64_t top);

}  // namespace circuit
