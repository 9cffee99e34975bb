#include "dynamics/recorded_run.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "dynamics/recorded_circuit.h"
#include "io/files.h"

namespace circuit {
namespace {

std::string store_of(const std::string& folder) {
  const std::string path = folder + "/run.db";
  if (!file_exists(path)) fail(path, "there is no such file. Give a run directory.");
  return path;
}

std::vector<float> floats(const Statement& row, int column, int64_t expected, const std::string& place) {
  const std::string blob = row.blob(column);
  if (blob.size() != static_cast<size_t>(expected) * sizeof(float)) {
    fail(place, "{}: found {} bytes, expected {} float32.", row.column_name(column), blob.size(), expected);
  }
  std::vector<float> values(expected);
  std::memcpy(values.data(), blob.data(), blob.size());
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
      db_(store_of(run_folder), Database::Mode::kReadOnly),
      graph_(recorded_shape(db_).graph()),
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
