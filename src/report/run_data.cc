#include "report/run_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "dynamics/schema.h"
#include "io/files.h"
#include "io/sqlite.h"

namespace circuit {
namespace {

std::string folder_name(const std::string& run_folder) {
  std::filesystem::path path = std::filesystem::absolute(run_folder).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

void check_tables(Database& database, const std::string& place) {
  std::set<std::string> found;
  auto names = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'");
  while (names.step()) found.insert(names.text(0));
  for (const char* table :
       {"meta", "edges", "slices", "steps", "discoveries", "circuit_edges", "slice_norms", "evaluations"}) {
    if (found.count(table)) continue;
    fail(place, "table {}: not there, expected the store of a run. Was it written by `circuit tune`?", table);
  }
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

void read_meta(Database& database, RunData& run, const std::string& place) {
  auto rows = database.prepare("SELECT key, value FROM meta");
  while (rows.step()) run.meta[rows.text(0)] = rows.text(1);
  const auto version = run.meta.find("schema_version");
  if (version != run.meta.end() && version->second != std::to_string(kSchemaVersion)) {
    fail(place, "schema version: found {}, expected {}. Read it with the program that wrote it.", version->second,
         kSchemaVersion);
  }
  run.architecture = meta_object(run, "architecture", place);
  run.graph = meta_object(run, "graph", place);
  run.summary = meta_object(run, "summary", place);
  run.upstream_nodes = node_names(run, "upstream_nodes", place);
  run.downstream_nodes = node_names(run, "downstream_nodes", place);
}

void append(Curve& curve, const Statement& row, int column, double step) {
  if (row.is_null(column)) return;
  curve.push_back({step, row.real(column)});
}

void read_steps(Database& database, RunData& run) {
  auto rows = database.prepare(
      "SELECT step, loss, metric, gradient_norm, learning_rate, trainable_parameters, seconds, target_tokens "
      "FROM steps ORDER BY step");
  while (rows.step()) {
    const double step = static_cast<double>(rows.integer(0));
    append(run.loss, rows, 1, step);
    append(run.training_metric, rows, 2, step);
    append(run.gradient_norm, rows, 3, step);
    append(run.learning_rate, rows, 4, step);
    append(run.trainable_parameters, rows, 5, step);
    run.seconds += rows.real(6);
    run.target_tokens += rows.integer(7);
    ++run.steps;
  }
  auto evaluations = database.prepare("SELECT name, step, value FROM evaluations ORDER BY name, step");
  while (evaluations.step()) {
    append(run.evaluations[evaluations.text(0)], evaluations, 2, static_cast<double>(evaluations.integer(1)));
  }
  auto touched =
      database.prepare("SELECT SUM(parameters) FROM slices WHERE id IN (SELECT DISTINCT slice FROM slice_norms)");
  if (touched.step() && !touched.is_null(0)) run.touched_parameters = touched.integer(0);
}

std::optional<double> optional_real(const Statement& row, int column) {
  if (row.is_null(column) || !std::isfinite(row.real(column))) return std::nullopt;
  return row.real(column);
}

void read_discoveries(Database& database, RunData& run) {
  auto rows = database.prepare(
      "SELECT step, n_edges, n_nodes, trainable_share, entered, left, jaccard_edges_previous, "
      "jaccard_edges_first, "
      "jaccard_nodes_previous, jaccard_nodes_first, rank_correlation_previous FROM discoveries ORDER BY "
      "step");
  while (rows.step()) {
    DiscoveryRow row;
    row.step = rows.integer(0);
    row.n_edges = rows.integer(1);
    row.n_nodes = rows.integer(2);
    row.trainable_share = rows.real(3);
    row.entered = rows.integer(4);
    row.left = rows.integer(5);
    row.jaccard_edges_previous = optional_real(rows, 6);
    row.jaccard_edges_first = optional_real(rows, 7);
    row.jaccard_nodes_previous = optional_real(rows, 8);
    row.jaccard_nodes_first = optional_real(rows, 9);
    row.rank_correlation_previous = optional_real(rows, 10);
    run.discoveries.push_back(row);
  }
}

}  // namespace

RunData read_run(const std::string& run_folder) {
  const std::string place = "report " + run_folder;
  const std::string path = run_folder + "/run.db";
  if (!file_exists(path)) fail(place, "run.db: not there, expected a run folder written by `circuit tune`.");
  Database database(path, Database::Mode::kReadOnly);
  check_tables(database, place);
  const Transaction snapshot(database);  // a running `circuit tune` may be writing
  RunData run;
  run.name = folder_name(run_folder);
  read_meta(database, run, place);
  read_steps(database, run);
  read_discoveries(database, run);
  run.updates = read_node_updates(database);
  return run;
}

}  // namespace circuit
