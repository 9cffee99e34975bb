// One circuit's evaluation as an HTML page that opens without a network.
#pragma once

#include <optional>
#include <string>

#include "evaluation/evaluate_circuit.h"
#include "evaluation/recovery.h"

namespace circuit {

// What was evaluated, as it was named.
struct EvaluationNames {
  std::string model, data, circuit, metric, ablation;
  std::string against;  // the reference circuit; empty: none
};

// Sentences, the curve of faithfulness, a table of its points, the settings. An evaluation where faithfulness
// is not defined says so and has no curve.
std::string render_evaluation(const CircuitEvaluation& evaluation, const EvaluationSpec& spec,
                              const EvaluationNames& names, const std::optional<Recovery>& recovery);

}  // namespace circuit
