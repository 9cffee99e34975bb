// Circuits on tasks as an HTML page that opens without a network.
#pragma once

#include <string>

#include "evaluation/circuit_matrix.h"

namespace circuit {

// Rows of {task, circuit, faithfulness, low, high, metric, full, empty, edges_run}; numbers that are not defined are
// null.
Json matrix_points(const CircuitMatrix& matrix);

// A sentence, heat maps of faithfulness and of the circuits' overlap, a table of the cells, the settings. request: of
// what was asked.
std::string render_matrix(const CircuitMatrix& matrix, const EvaluateRequest& request);

}  // namespace circuit
