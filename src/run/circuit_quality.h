// Whether the circuit that a run trains carries the model as it is (method.md §6), at evaluations of the run.
#pragma once

#include "evaluation/evaluation.h"
#include "run/evaluate_run.h"

namespace circuit {

// Adds "dev/faithfulness" and "dev/completeness_gap", on the first evaluation.circuit_records records of data.dev;
// nothing where the ablation does not move their metric for certain.
void add_circuit_quality(const RunConfig& config, const TuneModel& model, const TuneData& data, const Circuit& circuit,
                         const EvaluationProgress& progress, Evaluation* values);

// What those records must have, before a run begins. Throws Error naming the record, or the key where there is no
// data.dev.
void check_quality_records(const RunConfig& config, const TuneData& data, const Architecture& architecture);

}  // namespace circuit
