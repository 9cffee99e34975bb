// A configuration and a grid as the runs that they ask for.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/grid.h"
#include "run/run_config.h"

namespace circuit {

struct SweepCell {
  std::string name;                 // of its folder: "n-50_seed-0"
  std::vector<std::string> values;  // one a key of the grid, as people write them
  RunConfig config;                 // run.path is FOLDER/name
};

struct SweepPlan {
  std::vector<GridAxis> axes;  // values as people write them, each once
  std::vector<SweepCell> cells;
  std::map<std::string, std::string> shared;  // every key that does not vary, without run.path: its value as in TOML
};

// Reads CONFIG, sets what `set` says, and varies what `grid` says; every cell's configuration is checked. Throws Error
// or UsageError naming the option: an unknown key or value, a key given twice, a value given twice, run.path, a file of
// the configuration that is not there.
SweepPlan plan_sweep(const std::string& config_path, const std::vector<std::string>& set,
                     const std::vector<std::string>& grid, const std::string& folder);

}  // namespace circuit
