#include "store/run_writer.h"

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "store/migrations.h"
#include "store/schema.h"

namespace circuit {
namespace {

// NULL stands for what is not there: no value, or one that is not defined, such as the correlation of equal scores.
void bind_or_null(Statement& statement, int index, const std::optional<double>& value) {
  if (value && !std::isnan(*value)) {
    statement.bind(index, *value);
  } else {
    statement.bind_null(index);
  }
}

void bind_floats(Statement& statement, int index, const std::vector<float>& values) {
  statement.bind_blob(index, values.data(), values.size() * sizeof(float));
}

// Opening a file to write makes a log beside it: one of a version that is refused stays as it is.
const std::string& of_known_version(const std::string& path) {
  Database db(path, Database::Mode::kReadOnly);
  schema_version(db, path);
  return path;
}

}  // namespace

void RunWriter::create(const std::string& path, const Graph& graph, const std::vector<Slice>& slices,
                       std::map<std::string, std::string> meta) {
  meta["schema_version"] = std::to_string(newest_version());
  Database db(path, Database::Mode::kCreate);
  Transaction transaction(db);
  db.execute(kSchemaSql);
  for (const View& view : kViews) db.execute(std::string("CREATE VIEW ") + view.name + " AS " + view.select);
  Statement edges = db.prepare("INSERT INTO edges VALUES(?, ?, ?)");
  for (int64_t id = 0; id < graph.n_edges(); ++id) {
    const Edge e = graph.edge(id);
    edges.bind(1, id).bind(2, graph.upstream_name(e.upstream)).bind(3, graph.downstream_name(e.downstream)).run();
  }
  Statement rows = db.prepare("INSERT INTO slices VALUES(?, ?, ?, ?, ?, ?, ?)");
  for (size_t i = 0; i < slices.size(); ++i) {
    const Slice& s = slices[i];
    rows.bind(1, static_cast<int64_t>(i)).bind(2, s.node).bind(3, s.tensor).bind(4, s.dim).bind(5, s.start);
    rows.bind(6, s.length).bind(7, s.parameters).run();
  }
  Statement pairs = db.prepare("INSERT INTO meta VALUES(?, ?)");
  for (const auto& [key, value] : meta) pairs.bind(1, key).bind(2, value).run();
  transaction.commit();
}

RunWriter::RunWriter(const std::string& path) : db_(of_known_version(path), Database::Mode::kReadWrite) {
  migrate(db_);
}

RunWriter::~RunWriter() { db_.close_log(); }

void RunWriter::drop_from(int64_t next_step) {
  Transaction transaction(db_);
  const std::string next = std::to_string(next_step);
  for (const char* table : {"steps", "discoveries", "circuit_edges", "slice_norms"}) {
    db_.execute(std::string("DELETE FROM ") + table + " WHERE step >= " + next);
  }
  db_.execute("DELETE FROM evaluations WHERE step > " + next);
  transaction.commit();
}

void RunWriter::discovery(const DiscoveryRows& rows) {
  const DiscoveryRow& d = rows.row;
  Transaction transaction(db_);
  Statement row = db_.prepare("INSERT INTO discoveries VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  row.bind(1, d.step).bind(2, d.n_edges).bind(3, d.n_nodes).bind(4, d.trainable_parameters);
  row.bind(5, d.trainable_share).bind(6, d.metric).bind(7, d.examples);
  bind_or_null(row, 8, d.jaccard_edges_previous);
  bind_or_null(row, 9, d.jaccard_edges_first);
  bind_or_null(row, 10, d.jaccard_nodes_previous);
  bind_or_null(row, 11, d.jaccard_nodes_first);
  bind_or_null(row, 12, d.rank_correlation_previous);
  row.bind(13, d.entered).bind(14, d.left).bind(15, d.sum_rule_error.value_or(0)).bind(16, d.seconds);
  if (rows.keeps_scores) {
    bind_floats(row, 17, rows.scores);
  } else {
    row.bind_null(17);
  }
  bind_floats(row, 18, rows.upstream_strength);
  bind_floats(row, 19, rows.downstream_strength);
  row.run();
  Statement edges = db_.prepare("INSERT INTO circuit_edges VALUES(?, ?, ?)");
  for (const int64_t id : rows.circuit.edges) {
    edges.bind(1, d.step).bind(2, id).bind(3, static_cast<double>(rows.scores[id])).run();
  }
  transaction.commit();
}

void RunWriter::step(const StepRow& s, const SliceNorms& norms) {
  Transaction transaction(db_);
  Statement row = db_.prepare("INSERT INTO steps VALUES(?,?,?,?,?,?,?,?)");
  row.bind(1, s.step).bind(2, s.loss);
  bind_or_null(row, 3, s.metric);
  row.bind(4, s.learning_rate).bind(5, s.gradient_norm).bind(6, s.target_tokens);
  row.bind(7, s.trainable_parameters).bind(8, s.seconds).run();
  Statement each = db_.prepare("INSERT INTO slice_norms VALUES(?,?,?,?)");
  for (size_t i = 0; i < norms.slices.size(); ++i) {
    each.bind(1, s.step).bind(2, norms.slices[i]).bind(3, norms.slice_gradients[i]);
    each.bind(4, norms.slice_updates[i]).run();
  }
  transaction.commit();
}

void RunWriter::evaluation(int64_t step, const std::map<std::string, double>& values) {
  Transaction transaction(db_);
  Statement row = db_.prepare("INSERT OR REPLACE INTO evaluations VALUES(?, ?, ?)");
  for (const auto& [name, value] : values) row.bind(1, step).bind(2, name).bind(3, value).run();
  transaction.commit();
}

void RunWriter::meta(const std::string& key, const std::string& value) {
  db_.prepare("INSERT OR REPLACE INTO meta VALUES(?, ?)").bind(1, key).bind(2, value).run();
}

void RunWriter::keep_scores(int64_t step, const std::vector<float>* scores) {
  Statement row = db_.prepare("UPDATE discoveries SET scores = ? WHERE step = ?");
  if (scores == nullptr) {
    row.bind_null(1);
  } else {
    bind_floats(row, 1, *scores);
  }
  row.bind(2, step).run();
}

std::optional<std::pair<int64_t, int64_t>> RunWriter::first_and_last() {
  Statement ends = db_.prepare("SELECT min(step), max(step) FROM discoveries");
  if (!ends.step() || ends.is_null(0)) return std::nullopt;
  return std::pair(ends.integer(0), ends.integer(1));
}

std::vector<int64_t> RunWriter::steps_with_scores() {
  std::vector<int64_t> steps;
  Statement kept = db_.prepare("SELECT step FROM discoveries WHERE scores IS NOT NULL ORDER BY step");
  while (kept.step()) steps.push_back(kept.integer(0));
  return steps;
}

std::vector<float> RunWriter::scores(int64_t step, int64_t edges) {
  Statement row = db_.prepare("SELECT scores FROM discoveries WHERE step = ?");
  row.bind(1, step);
  if (!row.step() || row.is_null(0)) return {};
  const std::string blob = row.blob(0);
  if (blob.size() != static_cast<size_t>(edges) * sizeof(float)) {
    fail(db_.path(), "the score vector of a discovery does not belong to this graph.");
  }
  std::vector<float> values(edges);
  std::memcpy(values.data(), blob.data(), blob.size());
  return values;
}

Circuit RunWriter::circuit(int64_t step) {
  Circuit circuit;
  Statement rows = db_.prepare("SELECT edge FROM circuit_edges WHERE step = ? ORDER BY edge");
  rows.bind(1, step);
  while (rows.step()) circuit.edges.push_back(rows.integer(0));
  return circuit;
}

std::map<std::string, double> RunWriter::evaluations(int64_t step) {
  std::map<std::string, double> values;
  Statement rows = db_.prepare("SELECT name, value FROM evaluations WHERE step = ?");
  rows.bind(1, step);
  while (rows.step()) values[rows.text(0)] = rows.real(1);
  return values;
}

std::pair<double, int64_t> RunWriter::seconds_and_largest() {
  Statement row = db_.prepare("SELECT total(seconds), max(trainable_parameters) FROM steps");
  if (!row.step() || row.is_null(1)) return {0, 0};
  return {row.real(0), row.integer(1)};
}

}  // namespace circuit
