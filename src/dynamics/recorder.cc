#include "dynamics/recorder.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "dynamics/overlap.h"
#include "dynamics/schema.h"

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

// Sum over the circuit's edges of |score|, per node of each side.
std::pair<std::vector<float>, std::vector<float>> strengths(const Graph& graph, const Circuit& circuit,
                                                            const EdgeScores& scores) {
  std::vector<float> up(graph.n_upstream());
  std::vector<float> down(graph.n_downstream());
  for (const int64_t id : circuit.edges) {
    const Edge e = graph.edge(id);
    up[e.upstream] += std::fabs(scores.values[id]);
    down[e.downstream] += std::fabs(scores.values[id]);
  }
  return {up, down};
}

}  // namespace

void Recorder::create(const std::string& path, const Graph& graph, const std::vector<Slice>& slices,
                      const std::map<std::string, std::string>& meta) {
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

Recorder::Recorder(const std::string& path, const Graph& graph, int64_t next_step, RecorderSpec spec)
    : spec_(std::move(spec)), graph_(graph), db_(path, Database::Mode::kReadWrite) {
  drop_rows(next_step);
  read_last();
  // In the run's folder, where the store is.
  log_ = std::make_unique<RunLog>(db_, std::filesystem::path(path).parent_path().string(), spec_.loggers);
}

Recorder::~Recorder() { db_.close_log(); }

void Recorder::drop_rows(int64_t next_step) {
  Transaction transaction(db_);
  const std::string next = std::to_string(next_step);
  for (const char* table : {"steps", "discoveries", "circuit_edges", "slice_norms"}) {
    db_.execute(std::string("DELETE FROM ") + table + " WHERE step >= " + next);
  }
  db_.execute("DELETE FROM evaluations WHERE step > " + next);
  transaction.commit();
}

void Recorder::read_last() {
  Statement ends = db_.prepare("SELECT min(step), max(step) FROM discoveries");
  if (!ends.step() || ends.is_null(0)) return;
  last_step_ = ends.integer(1);
  first_ = circuit_of(db_, ends.integer(0));
  last_ = circuit_of(db_, last_step_);
  // A kill between two checkpoints may have left scores that were for the earlier one.
  std::vector<int64_t> left;
  Statement kept = db_.prepare("SELECT step FROM discoveries WHERE scores IS NOT NULL AND step < ?");
  kept.bind(1, last_step_);
  while (kept.step()) {
    if (!spec_.scores.keeps(kept.integer(0))) left.push_back(kept.integer(0));
  }
  for (const int64_t step : left) keep_scores(step, nullptr);
  Statement scores = db_.prepare("SELECT scores FROM discoveries WHERE step = ?");
  scores.bind(1, last_step_);
  if (!scores.step() || scores.is_null(0)) return;
  const std::string blob = scores.blob(0);
  if (blob.size() != static_cast<size_t>(graph_.n_edges()) * sizeof(float)) {
    fail(db_.path(), "the score vector of a discovery does not belong to this graph.");
  }
  last_scores_.resize(graph_.n_edges());
  std::memcpy(last_scores_.data(), blob.data(), blob.size());
  last_ranks_ = ranks_of(last_scores_);
  if (!spec_.scores.keeps(last_step_)) for_resume_ = last_step_;
}

void Recorder::keep_scores(int64_t step, const std::vector<float>* scores) {
  Statement row = db_.prepare("UPDATE discoveries SET scores = ? WHERE step = ?");
  if (scores == nullptr) {
    row.bind_null(1);
  } else {
    bind_floats(row, 1, *scores);
  }
  row.bind(2, step).run();
}

void Recorder::before_checkpoint() {
  if (last_scores_.empty() || for_resume_ == last_step_ || spec_.scores.keeps(last_step_)) return;
  keep_scores(last_step_, &last_scores_);
}

void Recorder::after_checkpoint() {
  if (for_resume_ && *for_resume_ != last_step_) keep_scores(*for_resume_, nullptr);
  for_resume_.reset();
  if (!last_scores_.empty() && !spec_.scores.keeps(last_step_)) for_resume_ = last_step_;
}

Circuit Recorder::circuit_of(Database& db, int64_t step) {
  Circuit circuit;
  Statement rows = db.prepare("SELECT edge FROM circuit_edges WHERE step = ? ORDER BY edge");
  rows.bind(1, step);
  while (rows.step()) circuit.edges.push_back(rows.integer(0));
  return circuit;
}

void Recorder::discovery(const DiscoveryEvent& event, int64_t trainable_parameters, int64_t all_parameters) {
  const CircuitNodes nodes = nodes_of(graph_, event.circuit);
  std::optional<double> edges_previous;
  std::optional<double> edges_first;
  std::optional<double> nodes_previous;
  std::optional<double> nodes_first;
  std::optional<double> correlation;
  std::vector<double> ranks = ranks_of(event.scores.values);
  auto fresh = static_cast<int64_t>(event.circuit.edges.size());
  int64_t gone = 0;
  if (last_) {
    edges_previous = jaccard_edges(*last_, event.circuit);
    edges_first = jaccard_edges(*first_, event.circuit);
    nodes_previous = jaccard_nodes(nodes_of(graph_, *last_), nodes);
    nodes_first = jaccard_nodes(nodes_of(graph_, *first_), nodes);
    if (!last_ranks_.empty()) correlation = correlation_of_ranks(last_ranks_, ranks);
    fresh = entered(*last_, event.circuit);
    gone = entered(event.circuit, *last_);
  }
  const auto [up, down] = strengths(graph_, event.circuit, event.scores);
  Transaction transaction(db_);
  Statement row = db_.prepare("INSERT INTO discoveries VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  row.bind(1, event.step).bind(2, static_cast<int64_t>(event.circuit.edges.size())).bind(3, nodes.count());
  row.bind(4, trainable_parameters);
  row.bind(5, static_cast<double>(trainable_parameters) / static_cast<double>(all_parameters));
  row.bind(6, event.metric).bind(7, event.examples);
  bind_or_null(row, 8, edges_previous);
  bind_or_null(row, 9, edges_first);
  bind_or_null(row, 10, nodes_previous);
  bind_or_null(row, 11, nodes_first);
  bind_or_null(row, 12, correlation);
  row.bind(13, fresh).bind(14, gone).bind(15, event.sum_rule_error).bind(16, event.seconds);
  if (spec_.scores.keeps(event.step)) {
    bind_floats(row, 17, event.scores.values);
  } else {
    row.bind_null(17);
  }
  bind_floats(row, 18, up);
  bind_floats(row, 19, down);
  row.run();
  Statement edges = db_.prepare("INSERT INTO circuit_edges VALUES(?, ?, ?)");
  for (const int64_t id : event.circuit.edges) {
    edges.bind(1, event.step).bind(2, id).bind(3, static_cast<double>(event.scores.values[id])).run();
  }
  transaction.commit();
  if (!first_) first_ = event.circuit;
  last_ = event.circuit;
  last_step_ = event.step;
  last_scores_ = event.scores.values;
  last_ranks_ = std::move(ranks);
  log_->discovery(event.step);
}

void Recorder::step(const StepEvent& event) {
  Transaction transaction(db_);
  Statement row = db_.prepare("INSERT INTO steps VALUES(?,?,?,?,?,?,?,?)");
  row.bind(1, event.step).bind(2, event.loss);
  bind_or_null(row, 3, event.metric);
  row.bind(4, event.learning_rate).bind(5, event.norms.gradient).bind(6, event.target_tokens);
  row.bind(7, event.trainable_parameters).bind(8, event.seconds).run();
  Statement norms = db_.prepare("INSERT INTO slice_norms VALUES(?,?,?,?)");
  for (size_t i = 0; i < event.norms.slices.size(); ++i) {
    norms.bind(1, event.step).bind(2, event.norms.slices[i]).bind(3, event.norms.slice_gradients[i]);
    norms.bind(4, event.norms.slice_updates[i]).run();
  }
  transaction.commit();
  log_->step(event.step);
}

void Recorder::evaluation(int64_t step, const std::map<std::string, double>& values) {
  Transaction transaction(db_);
  Statement row = db_.prepare("INSERT OR REPLACE INTO evaluations VALUES(?, ?, ?)");
  for (const auto& [name, value] : values) row.bind(1, step).bind(2, name).bind(3, value).run();
  transaction.commit();
  log_->evaluation(step);
}

std::map<std::string, double> Recorder::evaluations(int64_t step) {
  std::map<std::string, double> values;
  Statement rows = db_.prepare("SELECT name, value FROM evaluations WHERE step = ?");
  rows.bind(1, step);
  while (rows.step()) values[rows.text(0)] = rows.real(1);
  return values;
}

Recorder::Totals Recorder::totals() {
  Statement row = db_.prepare("SELECT total(seconds), max(trainable_parameters) FROM steps");
  if (!row.step() || row.is_null(1)) return {};
  return {row.real(0), row.integer(1)};
}

void Recorder::meta(const std::string& key, const std::string& value) {
  db_.prepare("INSERT OR REPLACE INTO meta VALUES(?, ?)").bind(1, key).bind(2, value).run();
}

}  // namespace circuit
