#include "store/run_reader.h"

#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "store/migrations.h"
#include "store/schema.h"

namespace circuit {
namespace {

// What is not defined is NULL in the store (recorder.h).
std::optional<double> defined(const Statement& row, int column) {
  if (row.is_null(column) || !std::isfinite(row.real(column))) return std::nullopt;
  return row.real(column);
}

}  // namespace

std::string store_path(const std::string& run) { return run + "/run.db"; }

bool has_store(const std::string& run) { return file_exists(store_path(run)); }

void require_store(const std::string& run) {
  if (!has_store(run)) fail(store_path(run), "there is no such file. Give a run directory.");
}

RunReader::RunReader(const std::string& run, std::string place)
    : place_(place.empty() ? store_path(run) : std::move(place)),
      db_(store_path(run), Database::Mode::kReadOnly),
      snapshot_(db_) {
  check_readable(db_, place_);
}

void RunReader::check_tables() {
  std::set<std::string> found;
  Statement names = db_.prepare("SELECT name FROM sqlite_master WHERE type = 'table'");
  while (names.step()) found.insert(names.text(0));
  for (const char* table : kTables) {
    if (found.count(table) > 0) continue;
    fail(place_, "table {}: not there, expected the store of a run. Was it written by `circuit tune`?", table);
  }
}

std::optional<std::string> RunReader::meta(const std::string& key) {
  Statement row = db_.prepare("SELECT value FROM meta WHERE key = ?");
  row.bind(1, std::string_view(key));
  return row.step() ? std::optional(row.text(0)) : std::nullopt;
}

std::map<std::string, std::string> RunReader::meta() {
  std::map<std::string, std::string> values;
  Statement rows = db_.prepare("SELECT key, value FROM meta");
  while (rows.step()) values[rows.text(0)] = rows.text(1);
  return values;
}

RunReader::Counts RunReader::counts() {
  Statement row = db_.prepare(
      "SELECT (SELECT count(*) FROM steps), (SELECT count(*) FROM discoveries), (SELECT count(*) FROM evaluations)");
  row.step();
  return {row.integer(0), row.integer(1), row.integer(2)};
}

std::vector<EdgeRow> RunReader::edges() {
  std::vector<EdgeRow> all;
  Statement rows = db_.prepare("SELECT id, upstream, downstream FROM edges ORDER BY id");
  while (rows.step()) all.push_back({rows.integer(0), rows.text(1), rows.text(2)});
  return all;
}

std::vector<SliceRow> RunReader::slices() {
  std::vector<SliceRow> all;
  Statement rows = db_.prepare("SELECT id, node, parameters FROM slices ORDER BY id");
  while (rows.step()) all.push_back({rows.integer(0), rows.text(1), rows.integer(2)});
  return all;
}

std::vector<StepRow> RunReader::steps() {
  std::vector<StepRow> all;
  Statement rows = db_.prepare(
      "SELECT step, loss, metric, learning_rate, gradient_norm, target_tokens, trainable_parameters, seconds FROM "
      "steps "
      "ORDER BY step");
  while (rows.step()) {
    all.push_back({rows.integer(0), rows.real(1), rows.is_null(2) ? std::nullopt : std::optional(rows.real(2)),
                   rows.real(3), rows.real(4), rows.integer(5), rows.integer(6), rows.real(7)});
  }
  return all;
}

std::vector<DiscoveryRow> RunReader::discoveries() {
  std::vector<DiscoveryRow> all;
  Statement rows = db_.prepare(
      "SELECT step, n_edges, n_nodes, trainable_parameters, trainable_share, metric, examples, jaccard_edges_previous, "
      "jaccard_edges_first, jaccard_nodes_previous, jaccard_nodes_first, rank_correlation_previous, entered, left, "
      "sum_rule_error, seconds FROM discoveries ORDER BY step");
  while (rows.step()) {
    all.push_back({rows.integer(0), rows.integer(1), rows.integer(2), rows.integer(3), rows.real(4), rows.real(5),
                   rows.integer(6), defined(rows, 7), defined(rows, 8), defined(rows, 9), defined(rows, 10),
                   defined(rows, 11), rows.integer(12), rows.integer(13), defined(rows, 14), rows.real(15)});
  }
  return all;
}

std::vector<EvaluationRow> RunReader::evaluations() {
  std::vector<EvaluationRow> all;
  Statement rows = db_.prepare("SELECT step, name, value FROM evaluations ORDER BY step, name");
  while (rows.step()) all.push_back({rows.integer(0), rows.text(1), rows.real(2)});
  return all;
}

std::optional<int64_t> RunReader::trained_parameters() {
  Statement row =
      db_.prepare("SELECT SUM(parameters) FROM slices WHERE id IN (SELECT DISTINCT slice FROM slice_norms)");
  if (!row.step() || row.is_null(0)) return std::nullopt;
  return row.integer(0);
}

void RunReader::slice_norms(const std::function<void(const SliceNormRow&)>& each) {
  Statement rows = db_.prepare("SELECT step, slice, update_norm FROM slice_norms ORDER BY step, slice");
  while (rows.step()) each({rows.integer(0), rows.integer(1), rows.real(2)});
}

std::string recorded_meta(const std::string& run, const std::string& key) {
  if (!has_store(run)) return "";
  return RunReader(run).meta(key).value_or("");
}

void copy_floats(const std::string& blob, size_t expected, const std::string& what, const std::string& place,
                 float* to) {
  if (blob.size() != expected * sizeof(float)) {
    fail(place, "{}: found {} bytes, expected {} float32.", what, blob.size(), expected);
  }
  std::memcpy(to, blob.data(), blob.size());
}

}  // namespace circuit
