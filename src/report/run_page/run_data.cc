#include "report/run_page/run_data.h"

#include <filesystem>

#include "core/error.h"

namespace circuit {
namespace {

std::string folder_name(const std::string& run_folder) {
  std::filesystem::path path = std::filesystem::absolute(run_folder).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

Json meta_json(const RunData& run, const std::string& key, const std::string& place) {
  const auto found = run.meta.find(key);
  if (found == run.meta.end() || found->second.empty()) return Json::object();
  return parse_json(found->second, place + ", meta " + key);
}

std::vector<std::string> node_names(const RunData& run, const std::string& key, const std::string& place) {
  const Json list = meta_json(run, key, place);
  std::vector<std::string> names;
  if (list.is_object() && list.empty()) return names;
  if (!list.is_array()) fail(place, "meta {}: found {}, expected a list of node names.", key, list.type_name());
  for (const Json& name : list) {
    if (!name.is_string()) fail(place, "meta {}: found {}, expected node names only.", key, name.type_name());
    names.push_back(name.get<std::string>());
  }
  return names;
}

Json meta_object(const RunData& run, const std::string& key, const std::string& place) {
  Json value = meta_json(run, key, place);
  if (!value.is_object()) fail(place, "meta {}: found {}, expected an object.", key, value.type_name());
  return value;
}

void read_meta(RunReader& reader, RunData& run) {
  const std::string& place = reader.place();
  run.meta = reader.meta();
  run.architecture = meta_object(run, "architecture", place);
  run.graph = meta_object(run, "graph", place);
  run.summary = meta_object(run, "summary", place);
  run.upstream_nodes = node_names(run, "upstream_nodes", place);
  run.downstream_nodes = node_names(run, "downstream_nodes", place);
}

void read_steps(RunReader& reader, RunData& run) {
  for (const StepRow& row : reader.steps()) {
    const auto step = static_cast<double>(row.step);
    run.loss.push_back({step, row.loss});
    if (row.metric) run.training_metric.push_back({step, *row.metric});
    run.gradient_norm.push_back({step, row.gradient_norm});
    run.learning_rate.push_back({step, row.learning_rate});
    run.trainable_parameters.push_back({step, static_cast<double>(row.trainable_parameters)});
    run.seconds += row.seconds;
    run.target_tokens += row.target_tokens;
    ++run.steps;
  }
  for (const EvaluationRow& row : reader.evaluations()) {
    run.evaluations[row.name].push_back({static_cast<double>(row.step), row.value});
  }
  run.touched_parameters = reader.trained_parameters();
}

}  // namespace

RunReader open_run(const std::string& run_folder) {
  const std::string place = "report " + run_folder;
  if (!has_store(run_folder)) fail(place, "run.db: not there, expected a run folder written by `circuit tune`.");
  return RunReader(run_folder, place);
}

RunData read_run(const std::string& run_folder) {
  RunReader reader = open_run(run_folder);
  reader.check_tables();
  RunData run;
  run.name = folder_name(run_folder);
  read_meta(reader, run);
  read_steps(reader, run);
  run.discoveries = reader.discoveries();
  run.updates = read_node_updates(reader);
  return run;
}

}  // namespace circuit
