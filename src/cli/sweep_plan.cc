#include "cli/sweep_plan.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/names.h"
#include "io/files.h"

namespace circuit {
namespace {

constexpr size_t kLongestName = 200;  // bytes; file systems take 255, and ".init" or ".tmp-PID" may follow

std::string key_of(const std::string& assignment) { return assignment.substr(0, assignment.find('=')); }

const ConfigField& field_of(const std::vector<ConfigField>& fields, const std::string& key) {
  return *std::find_if(fields.begin(), fields.end(), [&](const ConfigField& f) { return f.key == key; });
}

// The axis with its values as the configuration prints them, so that 1e-3 and 0.001 are seen to be the same.
GridAxis checked_axis(const GridAxis& axis, const TuneConfig& base) {
  GridAxis checked{axis.key, {}};
  for (const std::string& value : axis.values) {
    TuneConfig config = base;
    const std::vector<ConfigField> fields = config.fields();
    set_config(axis.key + "=" + value, fields, "--grid");
    const std::string plain = plain_value(field_of(fields, axis.key));
    if (std::count(checked.values.begin(), checked.values.end(), plain) > 0) {
      throw UsageError(fmt::format("[--grid {}] {} stands there twice.", axis.key, plain));
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

void check_files(const TuneConfig& c, const std::string& place) {
  const std::pair<const char*, const std::string*> files[] = {
      {"model.path", &c.model_path}, {"data.train", &c.data_train},         {"data.dev", &c.data_dev},
      {"data.test", &c.data_test},   {"data.untouched", &c.data_untouched}, {"data.replay", &c.data_replay}};
  for (const auto& [key, path] : files) {
    if (!path->empty() && !file_exists(*path)) fail(place, "{}: there is no {}.", key, *path);
  }
}

}  // namespace

SweepPlan plan_sweep(const std::string& config_path, const std::vector<std::string>& set,
                     const std::vector<std::string>& grid, const std::string& folder) {
  TuneConfig base;
  read_config(config_path, base.fields());
  for (const std::string& assignment : set) set_config(assignment, base.fields());
  base.run_path = folder;
  SweepPlan plan;
  std::set<std::string> varied;
  std::vector<GridAxis> given;  // values as set_config takes them
  for (const std::string& text : grid) {
    given.push_back(parse_grid_axis(text));
    const std::string& key = given.back().key;
    if (key == "run.path") throw UsageError("[--grid run.path] every run has a folder of its own below -o.");
    plan.axes.push_back(checked_axis(given.back(), base));
    if (!varied.insert(key).second) throw UsageError("[--grid " + key + "] is given twice. Put its values into one.");
  }
  for (const std::string& assignment : set) {
    if (varied.count(key_of(assignment)) > 0) {
      throw UsageError(fmt::format("[--set {}] the key varies with --grid. Leave one out.", assignment));
    }
  }
  for (const ConfigField& field : base.fields()) {
    if (field.key != "run.path" && varied.count(field.key) == 0) plan.shared[field.key] = toml_value(field);
  }
  const std::vector<std::string> names = short_keys(plan.axes);
  std::vector<size_t> sizes;
  for (const GridAxis& axis : plan.axes) sizes.push_back(axis.values.size());
  std::set<std::string> folders;
  for (const std::vector<size_t>& point : grid_points(sizes)) {
    SweepCell cell{"", {}, base};
    for (size_t i = 0; i < point.size(); ++i) {
      set_config(given[i].key + "=" + given[i].values[point[i]], cell.config.fields(), "--grid");
      cell.values.push_back(plan.axes[i].values[point[i]]);
      cell.name += (i == 0 ? "" : "_") + names[i] + "-" + file_name_part(cell.values[i]);
    }
    if (cell.name.empty()) cell.name = "run";
    if (cell.name.size() > kLongestName)
      fail("--grid", "{}: too long for a folder's name. Use shorter values.", cell.name);
    if (!folders.insert(cell.name).second) fail("--grid", "two runs would be called {}. Change a value.", cell.name);
    cell.config.run_path = folder + "/" + cell.name;
    const std::string place = config_path + ", " + cell.name;
    check_config(cell.config, place);
    check_files(cell.config, place);
    plan.cells.push_back(cell);
  }
  return plan;
}

}  // namespace circuit
