// A run's result and its plan, for people and for machines.
#pragma once

#include <string>

#include "io/json.h"
#include "run/dry_run.h"
#include "run/execute.h"

namespace circuit {

std::string run_text(const RunConfig& config, const RunSummary& summary);
Json run_json(const RunConfig& config, const RunSummary& summary);
std::string dry_run_text(const DryRun& found);

}  // namespace circuit
