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

enum class Splits {
  kMetric,       // dev records
  kDevelopment,  // and untouched text
  kAll           // and test records and evaluation.files
};
enum class Weights { kBase, kTuned };
// Evaluates the weights as an export would hold them (rounded to the base's dtype). kBase: they are the base's, which
// reads untouched text once for both. Throws Interrupted.
Evaluation evaluate_run(const RunConfig& config, const TuneModel& model, ParameterStore& store, const TuneData& data,
                        Splits splits, Weights weights = Weights::kTuned);

}  // namespace circuit
