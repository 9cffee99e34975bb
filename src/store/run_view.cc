#include "store/run_view.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "core/error.h"
#include "io/json.h"
#include "store/run_reader.h"

namespace circuit {
namespace {

constexpr int kRecentSteps = 50;

void read_steps(Database& db, RunView* view) {
  Statement steps = db.prepare("SELECT loss, trainable_parameters FROM steps ORDER BY step");
  while (steps.step()) {
    view->losses.push_back(steps.real(0));
    view->trainable = steps.integer(1);
  }
  view->steps = static_cast<int64_t>(view->losses.size());
  Statement recent = db.prepare("SELECT avg(seconds) FROM (SELECT seconds FROM steps ORDER BY step DESC LIMIT ?)");
  recent.bind(1, int64_t{kRecentSteps});
  if (recent.step()) view->step_seconds = recent.real(0);
}

std::optional<double> optional_real(const Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.real(column));
}

void read_discoveries(Database& db, RunView* view) {
  Statement metrics = db.prepare("SELECT metric FROM discoveries ORDER BY step");
  while (metrics.step()) view->metrics.push_back(metrics.real(0));
  Statement last = db.prepare(
      "SELECT step, n_edges, n_nodes, entered, left, jaccard_edges_previous, jaccard_edges_first FROM "
      "discoveries "
      "ORDER BY step DESC LIMIT 1");
  if (!last.step()) return;
  view->discovery = {last.integer(0), last.integer(1),        last.integer(2),       last.integer(3),
                     last.integer(4), optional_real(last, 5), optional_real(last, 6)};
}

void read_evaluations(RunReader& reader, RunView* view) {
  for (const EvaluationRow& row : reader.evaluations()) {
    RunView::Evaluation& e = view->evaluations[row.name];
    e.step = row.step;
    e.last = row.value;
    if (e.step == 0) e.base = e.last;
  }
}

std::vector<float> strengths(Database& db, const char* order, size_t nodes) {
  Statement row =
      db.prepare(std::string("SELECT upstream_strength FROM discoveries ORDER BY step ") + order + " LIMIT 1");
  std::vector<float> values(nodes);
  if (!row.step()) return {};
  const std::string blob = row.blob(0);
  if (blob.size() != nodes * sizeof(float)) {
    fail(db.path(), "upstream_strength: found {} bytes, expected {} float32 (one a node).", blob.size(), nodes);
  }
  std::memcpy(values.data(), blob.data(), blob.size());
  return values;
}

void read_nodes(RunReader& reader, size_t most, RunView* view) {
  if (!view->discovery) return;
  Database& db = reader.database();
  const Json names = parse_json(reader.meta("upstream_nodes").value_or(""), db.path() + ", meta upstream_nodes");
  const std::vector<float> first = strengths(db, "ASC", names.size());
  const std::vector<float> now = strengths(db, "DESC", names.size());
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] > 0) view->nodes.push_back({names[i].get<std::string>(), first[i], now[i]});
  }
  std::stable_sort(view->nodes.begin(), view->nodes.end(), [](const auto& a, const auto& b) { return a.now > b.now; });
  view->nodes.resize(std::min(view->nodes.size(), most));
}

// The log has the newest rows while a run goes on, the file itself later.
double seconds_since_write(const std::string& path) {
  time_t newest = 0;
  for (const char* suffix : {"", "-wal"}) {
    struct stat info {};
    if (stat((path + suffix).c_str(), &info) == 0) newest = std::max(newest, info.st_mtime);
  }
  return std::max(0.0, std::difftime(std::time(nullptr), newest));
}

}  // namespace

RunView read_run_view(const std::string& run, size_t most_nodes) {
  require_store(run);
  RunView view;
  view.idle_seconds = seconds_since_write(store_path(run));
  RunReader reader(run);
  Database& db = reader.database();
  view.method = reader.meta("method").value_or("");
  view.status = reader.meta("status").value_or("");
  view.config = reader.meta("config").value_or("");
  const std::string place = db.path() + ", meta architecture";
  view.parameters = require_int(parse_json(reader.meta("architecture").value_or(""), place), "parameters", place);
  read_steps(db, &view);
  read_discoveries(db, &view);
  read_evaluations(reader, &view);
  read_nodes(reader, most_nodes, &view);
  return view;
}

}  // namespace circuit
