#include "report/charts.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "report/text.h"

namespace circuit {
namespace {

struct Series {
  std::string run;
  std::string name;
  Curve curve;
};

enum class Scale { kNumber, kShare };      // a share is shown in per cent
enum class Marks { kLine, kNoisyLine };    // noisy: the curve pale, a moving mean over it

struct LineChart {
  std::string id, section, title, caption, unit;
  Scale scale = Scale::kNumber;
  Marks marks = Marks::kLine;
  std::vector<Series> series = {};
};

// Five significant digits: more is invisible and doubles the page.
double rounded(double value) {
  if (value == 0) return 0;
  const double scale = std::pow(10.0, 4 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(scale) ? std::round(value * scale) / scale : value;
}

Json color_encoding(const LineChart& chart, bool several_runs) {
  Json names = Json::array();
  std::set<std::string> seen;
  for (const Series& series : chart.series) {
    const std::string& name = several_runs ? series.run : series.name;
    if (seen.insert(name).second) names.push_back(name);
  }
  Json color = {{"field", several_runs ? "run" : "series"}, {"type", "nominal"}, {"title", nullptr},
                {"scale", {{"domain", names}}}};
  // One curve needs no legend: the title says what it is.
  color["legend"] = names.size() > 1 ? Json{{"orient", "top"}} : Json(nullptr);
  return color;
}

Json dash_encoding() {
  return {{"field", "series"}, {"type", "nominal"}, {"title", nullptr}, {"legend", {{"orient", "top"}}}};
}

Json spec_of(const LineChart& chart, bool several_runs) {
  Json values = Json::array();
  size_t longest = 0;
  std::set<std::string> names;
  for (const Series& series : chart.series) {
    const Curve curve = thin(series.curve, kMaxCurvePoints);
    longest = std::max(longest, curve.size());
    names.insert(series.name);
    for (const Point& point : curve) {
      Json row = {{"step", point.step}, {"value", rounded(point.value)}, {"series", series.name}};
      if (several_runs) row["run"] = series.run;
      values.push_back(std::move(row));
    }
  }
  const bool share = chart.scale == Scale::kShare;
  const std::string format = share ? ".1%" : ",.4~r";
  const Json x = {{"field", "step"}, {"type", "quantitative"}, {"title", "step"}, {"scale", {{"nice", false}}}};
  Json y = {{"field", "value"}, {"type", "quantitative"}, {"title", chart.unit}, {"scale", {{"zero", false}}}};
  y["axis"] = share ? Json{{"format", ".0%"}} : Json{{"format", "~s"}};
  const Json color = color_encoding(chart, several_runs);
  Json tooltip = Json::array();
  if (several_runs) tooltip.push_back(Json{{"field", "run"}, {"type", "nominal"}, {"title", "run"}});
  if (names.size() > 1) tooltip.push_back(Json{{"field", "series"}, {"type", "nominal"}, {"title", "curve"}});
  tooltip.push_back(Json{{"field", "step"}, {"type", "quantitative"}, {"title", "step"}, {"format", ","}});
  tooltip.push_back(Json{{"field", "value"}, {"type", "quantitative"}, {"title", chart.unit}, {"format", format}});

  Json line = {{"mark", {{"type", "line"}, {"clip", true}}}, {"encoding", {{"x", x}, {"y", y}, {"color", color}}}};
  if (several_runs && names.size() > 1) line["encoding"]["strokeDash"] = dash_encoding();
  // Few points are measurements worth seeing one by one.
  constexpr size_t kPointsShown = 40;
  if (longest <= kPointsShown) line["mark"]["point"] = true;
  Json layers = Json::array();
  const bool noisy = chart.marks == Marks::kNoisyLine && longest > kPointsShown;
  if (noisy) {
    line["mark"]["opacity"] = 0.3;
    line["mark"]["strokeWidth"] = 1;
    layers.push_back(line);
    const int64_t half = std::max<int64_t>(2, static_cast<int64_t>(longest) / 60);
    Json mean = line;
    mean["mark"] = {{"type", "line"}, {"strokeWidth", 2.2}, {"clip", true}};
    mean["transform"] = Json::array({{{"window", Json::array({{{"op", "mean"}, {"field", "value"}, {"as", "mean"}}})},
                                      {"frame", {-half, half}},
                                      {"groupby", several_runs ? Json::array({"series", "run"}) : Json::array({"series"})},
                                      {"sort", Json::array({{{"field", "step"}}})}}});
    mean["encoding"]["y"]["field"] = "mean";
    layers.push_back(mean);
  } else {
    layers.push_back(line);
  }
  const Json shown_when_near = {{"condition", {{"param", "near"}, {"empty", false}, {"value", 1}}}, {"value", 0}};
  layers.push_back({{"params", Json::array({{{"name", "near"},
                                             {"select", {{"type", "point"}, {"on", "pointerover"}, {"nearest", true},
                                                         {"clear", "pointerout"}}}}})},
                    {"mark", {{"type", "point"}, {"filled", true}, {"size", 70}}},
                    {"encoding", {{"x", x}, {"y", y}, {"color", color}, {"opacity", shown_when_near},
                                  {"tooltip", tooltip}}}});
  return {{"$schema", "https://vega.github.io/schema/vega-lite/v5.json"},
          {"description", chart.title},
          {"width", "container"},
          {"height", 210},
          {"data", {{"values", values}}},
          {"layer", layers}};
}

class ChartList {
 public:
  explicit ChartList(size_t runs) : several_runs_(runs > 1) {}

  // Curves without a point are left out, and so is a chart without a curve.
  void add(LineChart chart) {
    auto& series = chart.series;
    series.erase(std::remove_if(series.begin(), series.end(), [](const Series& s) { return s.curve.empty(); }),
                 series.end());
    if (series.empty()) return;
    // Ids carry the position, so that no two names from the database can make the same one.
    charts_.push_back({"chart-" + std::to_string(charts_.size()) + "-" + chart.id, chart.section, chart.title,
                       chart.caption, spec_of(chart, several_runs_)});
  }
  std::vector<Chart> take() { return std::move(charts_); }

 private:
  bool several_runs_;
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
  add("accuracy", "Share of readouts whose metric is above zero.");
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
  list.add({"gradient-norm", section, "Gradient norm", "Of the trained slices, before the update.", "norm",
            Scale::kNumber, Marks::kNoisyLine,
            per_run(runs, "gradient norm", [](const RunData& run) { return run.gradient_norm; })});
  list.add({"training-metric", section, "Metric on the training batches", noisy, "metric", Scale::kNumber,
            Marks::kNoisyLine, per_run(runs, "metric", [](const RunData& run) { return run.training_metric; })});
  list.add({"learning-rate", section, "Learning rate", "", "learning rate", Scale::kNumber, Marks::kLine,
            per_run(runs, "learning rate", [](const RunData& run) { return run.learning_rate; })});
}

void add_circuit(const std::vector<RunData>& runs, ChartList& list) {
  const std::string section = "The circuit over time";
  using Row = DiscoveryRow;
  list.add({"nodes", section, "Nodes in the circuit", "", "nodes", Scale::kNumber, Marks::kLine,
            over_discoveries(runs, "nodes", [](const Row& row) { return std::optional<double>(row.n_nodes); })});
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
            "Spearman's rho of all edges' scores with the previous discovery.", "rho", Scale::kNumber, Marks::kLine,
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

Curve thin(const Curve& curve, size_t limit) {
  if (curve.size() <= limit) return curve;
  const size_t buckets = limit / 2;
  Curve kept;
  for (size_t b = 0; b < buckets; ++b) {
    const auto begin = curve.begin() + static_cast<int64_t>(b * curve.size() / buckets);
    const auto end = curve.begin() + static_cast<int64_t>((b + 1) * curve.size() / buckets);
    auto [low, high] = std::minmax_element(begin, end, [](Point a, Point c) { return a.value < c.value; });
    if (low == high) {
      kept.push_back(*low);
      continue;
    }
    if (high < low) std::swap(low, high);
    kept.push_back(*low);
    kept.push_back(*high);
  }
  return kept;
}

std::vector<Chart> make_charts(const std::vector<RunData>& runs) {
  ChartList list(runs.size());
  add_evaluations(runs, list);
  add_training(runs, list);
  add_circuit(runs, list);
  return list.take();
}

}  // namespace circuit
