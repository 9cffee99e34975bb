// What a call of Python may say, as declared settings: its keyword arguments.
#pragma once

#include "core/config.h"
#include "evaluation/discover.h"
#include "evaluation/evaluate_file.h"
#include "run/run_states.h"

namespace circuit::python {

// Where a wrong keyword argument stands, for messages.
constexpr char kPlace[] = "arguments";

// Bound to the request, as RunConfig::settings().
// target.faithfulness: 0 stands for none, which request_of makes of it.
Settings settings_of(DiscoverRequest* request);
DiscoverRequest request_of(const std::string& settings);
Settings settings_of(EvaluateRequest* request);

// Analyses of a run.
struct AnalyseRequest {
  StatesSpec states;
  int64_t seed = 0;
};
Settings settings_of(AnalyseRequest* request);

// The settings of "discover", "evaluate", "tune" or "analyse" as JSON (io/settings_json.h). Throws UsageError for
// another name.
std::string declared_settings(const std::string& call);

}  // namespace circuit::python
