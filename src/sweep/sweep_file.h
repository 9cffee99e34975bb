// DIR/sweep.json: the grid, the configuration and the state of every run of a sweep (docs/formats.md).
#pragma once

#include <string>

#include "report/sweep_page/sweep_table.h"
#include "sweep/sweep_plan.h"

namespace circuit {

// The state of the runs that `plan` asks for: what the file at `path` says where there is one, else waiting. Runs of
// the file that the grid does not hold any more follow, if they have begun. Throws Error naming the key: the file's
// runs were made with another value, another precision, or vary other keys.
Sweep begun_sweep(const std::string& path, const SweepPlan& plan, const std::string& dtype);

// Atomic.
void write_sweep_file(const std::string& path, const SweepPlan& plan, const std::string& dtype, const Sweep& sweep);

}  // namespace circuit
