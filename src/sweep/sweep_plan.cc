#include "sweep/sweep_plan.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/names.h"
#include "core/setting_name.h"
#include "io/files.h"

namespace circuit {
namespace {

constexpr size_t kLongestName = 200;  // bytes; file systems take 255, and ".init" or ".tmp-PID" may follow

std::string key_of(const std::string& assignment) { return assignment.substr(0, assignment.find('=')); }

// The axis with its values as the configuration prints them, so that 1e-3 and 0.001 are seen to be the same.
GridAxis checked_axis(const GridAxis& axis, const RunConfig& base) {
  GridAxis checked{axis.key, {}};
  for (const std::string& value : axis.values) {
    RunConfig config = base;
    const Settings settings = config.settings();
    set_config(axis.key + "=" + value, settings, setting("grid"));
    const std::string plain = plain_value(*settings.find(axis.key));
    if (std::count(checked.values.begin(), checked.values.end(), plain) > 0) {
      throw UsageError(fmt::format("[{} {}] {} stands there twice.", setting("grid"), axis.key, plain));
    }
    checked.values.push_back(plain);
  }
  return checked;
}

// "selection.n" → "n", unless another key ends the same.
std::vector<std::string> short_keys(const std::vector<GridAxis>& axes) {
  const auto last_part = [](const std::string& key) { return key.substr(key.rfind('.') + 1); };
  std::vector<std::string> names;
  for (const GridAxis& axis : axes) {
    const bool shared = std::count_if(axes.begin(), axes.end(), [&](const GridAxis& other) {
                          return last_part(other.key) == last_part(axis.key);
                        }) > 1;
    names.push_back(shared ? axis.key : last_part(axis.key));
  }
  return names;
}

void check_files(const RunConfig& c, const std::string& place) {
  const std::pair<const char*, const std::string*> files[] = {
      {"model.path", &c.model.path}, {"data.train", &c.data.train},         {"data.dev", &c.data.dev},
      {"data.test", &c.data.test},   {"data.untouched", &c.data.untouched}, {"data.replay", &c.data.replay}};
  for (const auto& [key, path] : files) {
    if (!path->empty() && !file_exists(*path)) fail(place, "{}: there is no {}.", key, *path);
  }
}

}  // namespace

SweepPlan plan_sweep(const std::string& config_path, const std::vector<std::string>& set,
                     const std::vector<std::string>& grid, const std::string& folder) {
  RunConfig base;
  read_config(config_path, base.settings());
  for (const std::string& assignment : set) set_config(assignment, base.settings());
  base.run.path = folder;
  SweepPlan plan;
  std::set<std::string> varied;
  std::vector<GridAxis> given;  // values as set_config takes them
  for (const std::string& text : grid) {
    given.push_back(parse_grid_axis(text));
    const std::string& key = given.back().key;
    if (key == "run.path") {
      throw UsageError(
          fmt::format("[{} run.path] every run has a folder of its own below {}.", setting("grid"), setting("out")));
    }
    plan.axes.push_back(checked_axis(given.back(), base));
    if (!varied.insert(key).second) {
      throw UsageError(fmt::format("[{} {}] is given twice. Put its values into one.", setting("grid"), key));
    }
  }
  for (const std::string& assignment : set) {
    if (varied.count(key_of(assignment)) > 0) {
      throw UsageError(
          fmt::format("[{} {}] the key varies with {}. Leave one out.", setting("set"), assignment, setting("grid")));
    }
  }
  const Settings settings = base.settings();
  for (const Setting& field : settings) {
    if (field.key != "run.path" && varied.count(field.key) == 0) plan.shared[field.key] = toml_value(field);
  }
  const std::vector<std::string> names = short_keys(plan.axes);
  std::vector<size_t> sizes;
  for (const GridAxis& axis : plan.axes) sizes.push_back(axis.values.size());
  std::set<std::string> folders;
  for (const std::vector<size_t>& point : grid_points(sizes)) {
    SweepCell cell{"", {}, base};
    for (size_t i = 0; i < point.size(); ++i) {
      set_config(given[i].key + "=" + given[i].values[point[i]], cell.config.settings(), setting("grid"));
      cell.values.push_back(plan.axes[i].values[point[i]]);
      cell.name += (i == 0 ? "" : "_") + names[i] + "-" + file_name_part(cell.values[i]);
    }
    if (cell.name.empty()) cell.name = "run";
    if (cell.name.size() > kLongestName)
      fail(setting("grid"), "{}: too long for a folder's name. Use shorter values.", cell.name);
    if (!folders.insert(cell.name).second)
      fail(setting("grid"), "two runs would be called {}. Change a value.", cell.name);
    cell.config.run.path = folder + "/" + cell.name;
    const std::string place = config_path + ", " + cell.name;
    check_config(cell.config, place);
    check_files(cell.config, place);
    plan.cells.push_back(cell);
  }
  return plan;
}

}  // namespace circuit
