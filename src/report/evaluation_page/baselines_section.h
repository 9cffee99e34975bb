// The part of a circuit's page that says what circuits of its size carry that know nothing of the task.
#pragma once

#include <string>

#include "evaluation/evaluate_circuit.h"

namespace circuit {

// A sentence and a table, HTML; empty where no baselines were run.
std::string baselines_section(const CircuitEvaluation& evaluation);

}  // namespace circuit
