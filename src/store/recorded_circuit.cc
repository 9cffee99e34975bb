#include "store/recorded_circuit.h"

#include <cstring>

#include "core/error.h"
#include "io/json.h"
#include "io/sqlite.h"
#include "store/run_reader.h"

namespace circuit {
namespace {

std::string meta_of(Database& db, const std::string& key) {
  Statement row = db.prepare("SELECT value FROM meta WHERE key = ?");
  row.bind(1, std::string_view(key));
  if (!row.step()) fail(db.path(), "meta {}: not there, expected the store of a run.", key);
  return row.text(0);
}

int64_t at_least_one(const Json& object, const char* key, const std::string& place) {
  const int64_t value = require_int(object, key, place);
  if (value < 1) fail(place, "{}: found {}, expected at least 1.", key, value);
  return value;
}

int64_t discovery_at(Database& db, const std::string& run, std::optional<int64_t> step) {
  Statement last = db.prepare("SELECT max(step) FROM discoveries WHERE step <= ?");
  last.bind(1, step.value_or(INT64_MAX));
  if (!last.step() || last.is_null(0)) fail(run, "there is no discovery in it: no circuit to compare.");
  Statement done = db.prepare("SELECT coalesce(max(step), 0) + 1 FROM steps");
  if (step && done.step() && *step > done.integer(0)) {
    fail(run, "step {}: the run has got to step {} only.", *step, done.integer(0));
  }
  return last.integer(0);
}

// The last discovery before `step` and the first after it that have scores: "40, 50".
std::string kept_near(Database& db, int64_t step) {
  Statement near = db.prepare(
      "SELECT max(step) FROM discoveries WHERE scores IS NOT NULL AND step < ?1 UNION ALL "
      "SELECT min(step) FROM discoveries WHERE scores IS NOT NULL AND step > ?1");
  near.bind(1, step);
  std::string steps;
  while (near.step()) {
    if (!near.is_null(0)) steps += (steps.empty() ? "" : ", ") + near.text(0);
  }
  return steps.empty() ? "none" : steps;
}

}  // namespace

CircuitShape recorded_shape(Database& db) {
  const std::string place = db.path() + ", meta graph";
  const Json graph = parse_json(meta_of(db, "graph"), place);
  CircuitShape shape;
  shape.architecture.n_layers = at_least_one(graph, "n_layers", place);
  shape.architecture.n_heads = at_least_one(graph, "n_heads", place);
  shape.architecture.n_kv_heads = at_least_one(graph, "n_kv_heads", place);
  shape.architecture.every_layer().set_parallel(optional_bool(graph, "parallel", false, place));
  if (shape.architecture.n_heads % shape.architecture.n_kv_heads != 0) {
    fail(place, "n_kv_heads: found {}, expected a divisor of n_heads.", shape.architecture.n_kv_heads);
  }
  const bool ungrouped = optional_bool(graph, "ungrouped", false, place);
  shape.key_values = ungrouped ? KeyValueNodes::kUngrouped : KeyValueNodes::kGrouped;
  shape.read_mlps(graph, place);  // early runs had no blocks
  return shape;
}

RecordedCircuit read_recorded_circuit(const std::string& run, std::optional<int64_t> step) {
  RunReader reader(run);
  Database& db = reader.database();
  RecordedCircuit found;
  found.file.shape = recorded_shape(db);
  const int64_t edges = found.file.shape.graph().n_edges();
  found.step = discovery_at(db, run, step);
  Statement scores = db.prepare("SELECT scores FROM discoveries WHERE step = ?");
  scores.bind(1, found.step);
  const bool there = scores.step();
  if (there && scores.is_null(0)) {
    fail(db.path(),
         "the scores of the discovery at step {} were not kept (run.keep_scores). Those of these steps were: {}.",
         found.step, kept_near(db, found.step));
  }
  const std::string blob = there ? scores.blob(0) : "";
  if (blob.size() != static_cast<size_t>(edges) * sizeof(float)) {
    fail(db.path(), "the score vector of step {} does not belong to this graph.", found.step);
  }
  found.file.scores.values.resize(edges);
  std::memcpy(found.file.scores.values.data(), blob.data(), blob.size());
  Statement rows = db.prepare("SELECT edge FROM circuit_edges WHERE step = ? ORDER BY edge");
  rows.bind(1, found.step);
  while (rows.step()) {
    const int64_t id = rows.integer(0);
    if (id < 0 || id >= edges) fail(db.path(), "edge {} of step {} is not in this graph.", id, found.step);
    found.file.circuit.edges.push_back(id);
  }
  return found;
}

}  // namespace circuit
