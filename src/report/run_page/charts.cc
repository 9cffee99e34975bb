#include "report/run_page/charts.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "report/kit/text.h"
#include "report/run_page/chart_spec.h"

namespace circuit {
namespace {

class ChartList {
 public:
  explicit ChartList(const std::vector<RunData>& runs) {
    for (const RunData& run : runs) runs_.push_back(run.name);
  }

  // A chart has no place for what is not finite: such points are left out, and the caption says so. Curves without a
  // point are left out, and so is a chart without a curve.
  void add(LineChart chart) {
    auto& series = chart.series;
    int64_t left_out = 0;
    for (Series& s : series) {
      const auto kept =
          std::remove_if(s.curve.begin(), s.curve.end(), [](const Point& p) { return !std::isfinite(p.value); });
      left_out += s.curve.end() - kept;
      s.curve.erase(kept, s.curve.end());
    }
    if (left_out > 0) {
      chart.caption += (chart.caption.empty() ? "" : " ") + format_count(left_out) +
                       (left_out == 1 ? " point is" : " points are") + " not finite and left out.";
    }
    series.erase(std::remove_if(series.begin(), series.end(), [](const Series& s) { return s.curve.empty(); }),
                 series.end());
    if (series.empty()) return;
    // Ids carry the position, so that no two names from the database can make the same one.
    charts_.push_back({"chart-" + std::to_string(charts_.size()) + "-" + chart.id, chart.section, chart.title,
                       chart.caption, line_chart_spec(chart, runs_)});
  }
  std::vector<Chart> take() { return std::move(charts_); }

 private:
  std::vector<std::string> runs_;
  std::vector<Chart> charts_;
};

// One series a run from `curve`.
std::vector<Series> per_run(const std::vector<RunData>& runs, const std::string& name,
                            const std::function<Curve(const RunData&)>& curve) {
  std::vector<Series> series;
  for (const RunData& run : runs) series.push_back({run.name, name, curve(run)});
  return series;
}

Curve over_discoveries(const RunData& run, const std::function<std::optional<double>(const DiscoveryRow&)>& value) {
  Curve curve;
  for (const DiscoveryRow& row : run.discoveries) {
    if (const auto v = value(row)) curve.push_back({static_cast<double>(row.step), *v});
  }
  return curve;
}

std::vector<Series> over_discoveries(const std::vector<RunData>& runs, const std::string& name,
                                     const std::function<std::optional<double>(const DiscoveryRow&)>& value) {
  return per_run(runs, name, [&](const RunData& run) { return over_discoveries(run, value); });
}

template <class... More>
std::vector<Series> join(std::vector<Series> first, const More&... more) {
  (first.insert(first.end(), more.begin(), more.end()), ...);
  return first;
}

// Evaluations of one measure: a curve a split. Perplexities differ in level from text to text, so each split
// has its own chart; details ("test/accuracy/ are") have a chart a split with a curve a detail.
void add_evaluations(const std::vector<RunData>& runs, ChartList& list) {
  std::map<std::string, std::vector<Series>> charts;  // by measure, or measure/split
  std::map<std::string, std::vector<Series>> details;
  for (const RunData& run : runs) {
    for (const auto& [name, curve] : run.evaluations) {
      const EvaluationName parts = parse_evaluation_name(name);
      if (!parts.detail.empty()) {
        // A line through two points says less than the table does.
        if (curve.size() > 2) details[parts.measure + "/" + parts.split].push_back({run.name, parts.detail, curve});
      } else if (parts.measure == "perplexity") {
        charts["perplexity/" + parts.split].push_back({run.name, parts.split, curve});
      } else {
        charts[parts.measure].push_back({run.name, parts.split, curve});
      }
    }
  }
  const auto add = [&](const std::string& key, const std::string& caption) {
    const auto found = charts.find(key);
    if (found == charts.end()) return;
    const EvaluationName parts = parse_evaluation_name(key);
    LineChart chart{"evaluation", "Behaviour and cost", sentence_case(key), caption, parts.split};
    if (parts.split == "perplexity") {
      chart.title = "Perplexity, " + parts.measure + " text";
      chart.unit = "perplexity per token";
    }
    if (parts.split == "accuracy") chart.scale = Scale::kShare;
    chart.series = found->second;
    list.add(std::move(chart));
    charts.erase(key);
  };
  add("metric", "Mean of the tuned metric over the evaluation records; higher means the tuned behaviour is stronger.");
  add("accuracy", "Share of readouts where the correct form is likelier than the wrong one.");
  // The order of the map is that of the names: dev, test, untouched.
  std::vector<std::string> rest;
  for (const auto& [key, series] : charts) rest.push_back(key);
  std::stable_partition(rest.begin(), rest.end(), [](const std::string& k) { return k.rfind("perplexity/", 0) == 0; });
  for (const std::string& key : rest) {
    add(key, key == "perplexity/untouched" ? "Text that has nothing to do with the task: what the tuning cost." : "");
  }
  for (auto& [key, series] : details) {
    const EvaluationName parts = parse_evaluation_name(key);
    LineChart chart{"detail", "Behaviour and cost", sentence_case(parts.split) + " by readout, " + parts.measure, "",
                    parts.split};
    if (parts.split == "accuracy") chart.scale = Scale::kShare;
    chart.series = series;
    list.add(std::move(chart));
  }
}

void add_training(const std::vector<RunData>& runs, ChartList& list) {
  const std::string section = "Training";
  const std::string noisy = "Pale: every step. Strong: a moving mean.";
  list.add({"loss", section, "Loss", noisy, "nats per target token", Scale::kNumber, Marks::kNoisyLine,
            per_run(runs, "loss", [](const RunData& run) { return run.loss; })});
  list.add({"gradient-norm", section, "Gradient norm",
            "Of all trained parameters together. Pale: every step. Strong: a moving mean.", "norm", Scale::kNumber,
            Marks::kNoisyLine, per_run(runs, "gradient norm", [](const RunData& run) { return run.gradient_norm; })});
  list.add({"training-metric", section, "Metric on the training batches", noisy, "metric", Scale::kNumber,
            Marks::kNoisyLine, per_run(runs, "metric", [](const RunData& run) { return run.training_metric; })});
  list.add({"learning-rate", section, "Learning rate", "", "learning rate", Scale::kNumber, Marks::kLine,
            per_run(runs, "learning rate", [](const RunData& run) { return run.learning_rate; })});
}

std::optional<int64_t> constant_edges(const std::vector<RunData>& runs) {
  std::set<int64_t> counts;
  for (const RunData& run : runs) {
    for (const DiscoveryRow& row : run.discoveries) counts.insert(row.n_edges);
  }
  return counts.size() == 1 ? std::optional(*counts.begin()) : std::nullopt;
}

void add_circuit(const std::vector<RunData>& runs, ChartList& list) {
  const std::string section = "The circuit over time";
  using Row = DiscoveryRow;
  // A flat line for a number that never changes is a chart wasted.
  const std::optional<int64_t> constant = constant_edges(runs);
  list.add({"nodes", section, "Nodes in the circuit",
            constant ? "The circuit had " + format_count(*constant) + " edges at every discovery." : "", "nodes",
            Scale::kNumber, Marks::kLine,
            over_discoveries(runs, "nodes", [](const Row& row) { return std::optional<double>(row.n_nodes); })});
  if (!constant)
    list.add({"edges", section, "Edges in the circuit", "", "edges", Scale::kNumber, Marks::kLine,
              over_discoveries(runs, "edges", [](const Row& row) { return std::optional<double>(row.n_edges); })});
  list.add({"share", section, "Trainable share", "Parameters the circuit's slices hold, of all parameters.",
            "share of parameters", Scale::kShare, Marks::kLine,
            over_discoveries(runs, "share", [](const Row& row) { return std::optional(row.trainable_share); })});
  list.add({"overlap-edges", section, "Overlap of edges", "Jaccard index |A∩B| / |A∪B| of the edge sets.", "Jaccard",
            Scale::kNumber, Marks::kLine,
            join(over_discoveries(runs, "with the previous", [](const Row& row) { return row.jaccard_edges_previous; }),
                 over_discoveries(runs, "with the first", [](const Row& row) { return row.jaccard_edges_first; }))});
  list.add({"overlap-nodes", section, "Overlap of nodes", "The same of the node sets.", "Jaccard", Scale::kNumber,
            Marks::kLine,
            join(over_discoveries(runs, "with the previous", [](const Row& row) { return row.jaccard_nodes_previous; }),
                 over_discoveries(runs, "with the first", [](const Row& row) { return row.jaccard_nodes_first; }))});
  list.add({"rank-correlation", section, "Rank correlation of the scores",
            "Spearman's rho of all edges' scores with the previous discovery.", "rho", Scale::kNumber,
            Marks::kNoisyLine,
            over_discoveries(runs, "rho", [](const Row& row) { return row.rank_correlation_previous; })});
  list.add({"turnover", section, "Edges that entered", "At each discovery after the first.", "edges", Scale::kNumber,
            Marks::kNoisyLine, over_discoveries(runs, "entered", [](const Row& row) {
              return row.jaccard_edges_previous ? std::optional<double>(row.entered) : std::nullopt;
            })});
}

}  // namespace

EvaluationName parse_evaluation_name(const std::string& name) {
  const size_t first = name.find('/');
  if (first == std::string::npos) return {name, name, ""};
  const size_t second = name.find('/', first + 1);
  if (second == std::string::npos) return {name.substr(0, first), name.substr(first + 1), ""};
  return {name.substr(0, first), name.substr(first + 1, second - first - 1), name.substr(second + 1)};
}

std::vector<Chart> make_charts(const std::vector<RunData>& runs) {
  ChartList list(runs);
  add_evaluations(runs, list);
  add_training(runs, list);
  add_circuit(runs, list);
  return list.take();
}

}  // namespace circuit
