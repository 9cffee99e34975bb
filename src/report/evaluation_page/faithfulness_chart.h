// Faithfulness against the share of edges, as a Vega-Lite specification
// (https://vega.github.io/vega-lite/docs/).
#pragma once

#include "evaluation/evaluate_circuit.h"
#include "io/json.h"

namespace circuit {

// Names of the series, as legend, table and CSV have them.
constexpr const char* kByMagnitude = "by |score|";
constexpr const char* kByScore = "by score";
constexpr const char* kEvaluated = "this circuit";

// One row a point, the evaluated circuit's last: series, share (of the graph's edges, as selected), edges,
// edges_run, faithfulness, low, high. The evaluation must have a curve.
Json faithfulness_points(const CircuitEvaluation& evaluation);

// Both curves with their bootstrap bands, the ideal at 1, and the evaluated circuit as a diamond with its
// interval. The x axis is logarithmic; every layer has an x of its own, with a scale whose type may be
// changed.
Json faithfulness_spec(const Json& points);

}  // namespace circuit
