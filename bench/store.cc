// What recording costs: a discovery of GPT-2 small's graph with a circuit of 1,000 edges into run.db, beside
// the same transaction without the scores; and how large a run of 9,000 discoveries gets by run.keep_scores.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "core/rng.h"
#include "groups.h"
#include "measure.h"
#include "shapes.h"
#include "store/recorder.h"

namespace circuit::bench {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kEdges = 1000;
constexpr int64_t kDiscoveries = 400;
constexpr int64_t kLong = 9000;
constexpr int64_t kSlices = 600;  // with a gradient at a discovery, as at 57 % of the parameters

// Scores that drift, and the circuit of the largest.
class Series {
 public:
  explicit Series(const Graph& graph) : rng_(1), order_(graph.n_edges()) {
    scores_.values.resize(graph.n_edges());
    for (float& s : scores_.values) s = static_cast<float>(rng_.normal());
  }
  void advance() {
    for (float& s : scores_.values) s += 0.05F * static_cast<float>(rng_.normal());
    std::iota(order_.begin(), order_.end(), 0);
    std::nth_element(order_.begin(), order_.begin() + kEdges, order_.end(),
                     [&](int64_t a, int64_t b) { return std::fabs(scores_.values[a]) > std::fabs(scores_.values[b]); });
    circuit_.edges.assign(order_.begin(), order_.begin() + kEdges);
    std::sort(circuit_.edges.begin(), circuit_.edges.end());
  }
  DiscoveryRecord event(int64_t step) const { return {step, scores_, circuit_, 1.5, 16, 0.0, 0.1}; }

 private:
  Rng rng_;
  std::vector<int64_t> order_;
  EdgeScores scores_;
  Circuit circuit_;
};

struct Recorded {
  double median = 0;  // ms
  double mean = 0;    // with the copying of the log now and then
  double most = 0;
  double bytes = 0;  // a discovery, with its step and norms
};

Recorded record(const fs::path& folder, const Graph& graph, ScoreRetention::Keep keep) {
  const std::string path = (folder / "run.db").string();
  fs::remove(path);
  Recorder::create(path, graph, {}, {{"created", "2026-01-02T03:04:05Z"}});
  const auto empty = fs::file_size(path);
  std::vector<double> times;
  {
    Recorder recorder(path, graph, 0, {{keep, 10, 1, 100}, {}});
    Series series(graph);
    StepRecord step{0, 2.0, 1.5, 1e-4, 500, 1000000, {}, 1.0};
    for (int64_t i = 0; i < kSlices; ++i) {
      step.norms.slices.push_back(i);
      step.norms.slice_gradients.push_back(0.1 * static_cast<double>(i));
      step.norms.slice_updates.push_back(0.01 * static_cast<double>(i));
    }
    for (int64_t s = 0; s < kDiscoveries; ++s) {
      series.advance();
      times.push_back(1e3 * seconds([&] { recorder.discovery(series.event(s), 600000, 1000000); }));
      step.step = s;
      recorder.step(step);
      if ((s + 1) % 100 != 0) continue;
      recorder.before_checkpoint();
      recorder.after_checkpoint();
    }
  }
  const double grown = static_cast<double>(fs::file_size(path) - empty);
  fs::remove(path);
  const double sum = std::accumulate(times.begin(), times.end(), 0.0);
  const double most = *std::max_element(times.begin(), times.end());
  return {median(times), sum / kDiscoveries, most, grown / kDiscoveries};
}

// One transaction of SQLite with the circuit's edges alone: the least that a discovery can cost.
double bare(const fs::path& folder, const Graph& graph) {
  const std::string path = (folder / "run.db").string();
  std::vector<double> times;
  {
    Database db(path, Database::Mode::kCreate);
    db.execute(
        "CREATE TABLE circuit_edges(step INTEGER NOT NULL, edge INTEGER NOT NULL, score REAL NOT NULL, "
        "PRIMARY KEY(step, edge)) WITHOUT ROWID");
    Series series(graph);
    for (int64_t s = 0; s < kDiscoveries; ++s) {
      series.advance();
      const DiscoveryRecord event = series.event(s);
      times.push_back(1e3 * seconds([&] {
                        Transaction transaction(db);
                        Statement row = db.prepare("INSERT INTO circuit_edges VALUES(?, ?, ?)");
                        for (const int64_t id : event.circuit.edges) {
                          row.bind(1, s).bind(2, id).bind(3, static_cast<double>(event.scores.values[id])).run();
                        }
                        transaction.commit();
                      }));
    }
  }
  fs::remove(path);
  return median(times);
}

}  // namespace

void store(const Options&) {
  const Graph graph(gpt2_small(), KeyValueNodes::kGrouped);
  title(fmt::format("run.db: {} edges, circuit of {}, {} slices, {} discoveries", graph.n_edges(), kEdges, kSlices,
                    kDiscoveries));
  const fs::path folder = fs::temp_directory_path() / ("circuit-bench-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const double least = bare(folder, graph);
  const char* names[] = {"all", "every 10th", "last"};
  int index = 0;
  using Keep = ScoreRetention::Keep;
  for (const Keep keep : {Keep::kAll, Keep::kEvery, Keep::kLast}) {
    const Recorded r = record(folder, graph, keep);
    const std::string name = std::string("scores kept: ") + names[index++];
    row(name + ", a discovery, median", r.median, "ms", keep == Keep::kAll ? "<= 10" : "",
        fmt::format("mean {:.1f}, most {:.1f}; {:.1f} x a transaction without scores ({:.1f} ms)", r.mean, r.most,
                    r.median / least, least));
    row(name + ", bytes a discovery", r.bytes / 1e3, "kB", "",
        fmt::format("{:.2f} GB for {} discoveries", r.bytes * kLong / 1e9, kLong));
  }
  fs::remove_all(folder);
}

}  // namespace circuit::bench
