#include "sweep/sweep_file.h"

#include <algorithm>

#include "core/error.h"
#include "core/names.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "io/json.h"
#include "store/number_json.h"

namespace circuit {
namespace {

std::vector<std::string> keys_of(const SweepPlan& plan) {
  std::vector<std::string> keys;
  for (const GridAxis& axis : plan.axes) keys.push_back(axis.key);
  return keys;
}

SweepRun run_of(const Json& json, const std::string& path) {
  SweepRun run;
  run.name = require_string(json, "name", path);
  run.values = require(json, "values", path).get<std::vector<std::string>>();
  run.status = parse_status(require_string(json, "status", path), path);
  run.reason = require_string(json, "reason", path);
  run.before = numbers_of(json, "before", path);
  run.after = numbers_of(json, "after", path);
  return run;
}

void check_unchanged(const Json& json, const std::string& path, const SweepPlan& plan, const std::string& dtype) {
  const auto list = [](const std::vector<std::string>& keys) { return joined(keys, [](const auto& k) { return k; }); };
  const auto keys = require(json, "keys", path).get<std::vector<std::string>>();
  if (keys != keys_of(plan)) {
    fail(path, "the runs there vary {}, this grid {}. Choose another {}.", list(keys), list(keys_of(plan)),
         setting("out"));
  }
  const std::string old_dtype = require_string(json, "dtype", path);
  if (old_dtype != dtype)
    fail(path, "{}: the runs there were made with {}, not {}. Choose another {}.", setting("dtype"), old_dtype, dtype,
         setting("out"));
  for (const auto& [key, value] : require(json, "config", path).items()) {
    const auto found = plan.shared.find(key);
    if (found == plan.shared.end() || is_free_on_resume(key) || value == found->second) continue;
    fail(path, "{}: the runs there were made with {}, not {}. Set it back, or choose another {}.", key,
         value.get<std::string>(), found->second, setting("out"));
  }
}

}  // namespace

Sweep begun_sweep(const std::string& path, const SweepPlan& plan, const std::string& dtype) {
  Sweep sweep;
  sweep.keys = keys_of(plan);
  std::vector<SweepRun> begun;
  if (file_exists(path)) {
    const Json json = read_json(path);
    try {
      check_unchanged(json, path, plan, dtype);
      for (const Json& run : require(json, "runs", path)) begun.push_back(run_of(run, path));
    } catch (const Json::exception& error) {
      fail(path, "not a sweep's file: {}.", error.what());
    }
  }
  const auto found = [](const std::vector<SweepRun>& runs, const std::string& name) {
    return std::find_if(runs.begin(), runs.end(), [&](const SweepRun& r) { return r.name == name; });
  };
  for (const SweepCell& cell : plan.cells) {
    const auto old = found(begun, cell.name);
    if (old != begun.end()) {
      sweep.runs.push_back(*old);
      continue;
    }
    if (file_exists(cell.config.run.path)) {
      fail(cell.config.run.path, "is there, but is no run of this sweep. Move it, or choose another {}.",
           setting("out"));
    }
    sweep.runs.push_back({cell.name, cell.values, RunStatus::kWaiting, "", {}, {}});
  }
  for (const SweepRun& run : begun) {
    if (run.status != RunStatus::kWaiting && found(sweep.runs, run.name) == sweep.runs.end()) sweep.runs.push_back(run);
  }
  return sweep;
}

void write_sweep_file(const std::string& path, const SweepPlan& plan, const std::string& dtype, const Sweep& sweep) {
  Json grid = Json::array();
  for (const GridAxis& axis : plan.axes) grid.push_back({{"key", axis.key}, {"values", axis.values}});
  Json runs = Json::array();
  for (const SweepRun& run : sweep.runs) {
    runs.push_back({{"name", run.name},
                    {"values", run.values},
                    {"status", to_string(run.status)},
                    {"reason", run.reason},
                    {"before", numbers_json(run.before)},
                    {"after", numbers_json(run.after)}});
  }
  const Json json = {{"keys", sweep.keys}, {"grid", grid}, {"dtype", dtype}, {"config", plan.shared}, {"runs", runs}};
  write_file(path, json.dump(1) + "\n");
}

}  // namespace circuit
