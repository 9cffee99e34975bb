// The evaluations of a run.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "run/run_model.h"
#include "tuning/parameter_store.h"

namespace circuit {

// Values by name ("dev/metric", "untouched/perplexity", …), as evaluations stores them.
using Evaluation = std::map<std::string, double>;

// Evaluates the weights as an export would hold them (rounded to the base's dtype). Throws Interrupted.
enum class Splits { kDevelopment, kAll };
Evaluation evaluate_run(const RunConfig& config, const TuneModel& model, ParameterStore& store, const TuneData& data,
                        Splits splits);

}  // namespace circuit
