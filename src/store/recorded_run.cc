#include "store/recorded_run.h"

#include <algorithm>

#include "core/error.h"
#include "store/migrations.h"
#include "store/recorded_circuit.h"
#include "store/run_reader.h"

namespace circuit {
namespace {

std::string existing_store(const std::string& folder) {
  require_store(folder);
  return store_path(folder);
}

Graph graph_of(Database& db) {
  check_readable(db, db.path());
  return recorded_shape(db).graph();
}

std::vector<float> floats(const Statement& row, int column, int64_t expected, const std::string& place) {
  std::vector<float> values(expected);
  copy_floats(row.blob(column), values.size(), row.column_name(column), place, values.data());
  return values;
}

std::vector<RecordedDiscovery> read_discoveries(Database& db, const Graph& graph) {
  std::vector<RecordedDiscovery> all;
  std::map<int64_t, size_t> index;
  Statement rows = db.prepare(
      "SELECT step, metric, trainable_share, upstream_strength, downstream_strength FROM discoveries ORDER BY step");
  while (rows.step()) {
    const std::string place = fmt::format("{}, discovery of step {}", db.path(), rows.integer(0));
    index[rows.integer(0)] = all.size();
    all.push_back({rows.integer(0),
                   {},
                   rows.real(1),
                   rows.real(2),
                   floats(rows, 3, graph.n_upstream(), place),
                   floats(rows, 4, graph.n_downstream(), place)});
  }
  Statement edges = db.prepare("SELECT step, edge FROM circuit_edges ORDER BY step, edge");
  while (edges.step()) {
    const auto found = index.find(edges.integer(0));
    const int64_t edge = edges.integer(1);
    if (found == index.end() || edge < 0 || edge >= graph.n_edges()) {
      fail(db.path(), "edge {} of step {} is not in this run.", edge, edges.integer(0));
    }
    all[found->second].circuit.edges.push_back(edge);
  }
  return all;
}

}  // namespace

std::vector<int64_t> evenly_spread(const std::vector<int64_t>& steps) {
  int64_t gap = 1;
  for (size_t i = 1; i < steps.size(); ++i) gap = std::max(gap, steps[i] - steps[i - 1]);
  std::vector<int64_t> chosen;
  for (const int64_t step : steps) {
    if (chosen.empty() || step == chosen.back() + gap) chosen.push_back(step);
  }
  return chosen;
}

RecordedRun::RecordedRun(const std::string& run_folder)
    : folder_(run_folder),
      db_(existing_store(run_folder), Database::Mode::kReadOnly),
      graph_(graph_of(db_)),
      discoveries_(read_discoveries(db_, graph_)) {
  if (discoveries_.empty()) fail(run_folder, "there is no discovery in it: nothing to analyse.");
}

const ScoreSeries& RecordedRun::scores(int64_t max_bytes) {
  if (scores_) return *scores_;
  std::vector<int64_t> kept;
  Statement steps = db_.prepare("SELECT step FROM discoveries WHERE scores IS NOT NULL ORDER BY step");
  while (steps.step()) kept.push_back(steps.integer(0));
  kept = evenly_spread(kept);
  const int64_t row = graph_.n_edges() * static_cast<int64_t>(sizeof(float));
  const int64_t room = std::max<int64_t>(4, max_bytes / row);
  const int64_t stride = (static_cast<int64_t>(kept.size()) + room - 1) / room;
  ScoreSeries series;
  series.edges = graph_.n_edges();
  Statement scores = db_.prepare("SELECT scores FROM discoveries WHERE step = ?");
  for (size_t i = 0; i < kept.size(); i += std::max<int64_t>(1, stride)) {
    scores.bind(1, kept[i]);
    if (!scores.step()) fail(db_.path(), "the discovery of step {} went away while it was read.", kept[i]);
    const std::vector<float> values =
        floats(scores, 0, series.edges, fmt::format("{}, discovery of step {}", db_.path(), kept[i]));
    series.values.insert(series.values.end(), values.begin(), values.end());
    series.steps.push_back(static_cast<double>(kept[i]));
    scores.run();
  }
  scores_ = std::move(series);
  return *scores_;
}

std::vector<SlicePath> RecordedRun::slice_paths() {
  std::vector<SlicePath> paths;
  Statement rows = db_.prepare(
      "SELECT s.node, s.tensor, s.parameters, count(*), total(n.update_norm) FROM slice_norms n "
      "JOIN slices s ON s.id = n.slice GROUP BY n.slice ORDER BY n.slice");
  while (rows.step()) {
    paths.push_back({rows.text(0), rows.text(1), rows.integer(2), rows.integer(3), rows.real(4)});
  }
  return paths;
}

}  // namespace circuit
