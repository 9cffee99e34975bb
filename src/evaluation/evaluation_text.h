// A circuit's evaluation for machines and for people.
#pragma once

#include <optional>
#include <string>

#include "evaluation/evaluate_circuit.h"
#include "evaluation/recovery.h"
#include "io/json.h"

namespace circuit {

// Why faithfulness has no value.
std::string why_undefined(const MetricRange& range);
std::string why_undefined(const CircuitEvaluation& evaluation);

// What the whole model, the one without the circuit, and the circuit do, each under its name: metric, and with
// intervals metric, accuracy and KL; null where not defined.
void put_runs(const RunMeans& full, const RunMeans& empty, const RunMeans& circuit, Json* json);

// metric, ablation: their names. against: where it was compared with a reference.
Json evaluation_json(const CircuitEvaluation& evaluation, const std::string& metric, const std::string& ablation,
                     const std::optional<Recovery>& against);
// Of that JSON.
std::string evaluation_text(const Json& json);

}  // namespace circuit
