#include "report/run_page/chart_spec.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "report/kit/chart_parts.h"

namespace circuit {
namespace {

// A curve of fewer points shows each of them: they are measurements worth seeing one by one.
constexpr size_t kPointsShown = 40;

// Five significant digits: more is invisible and doubles the page.
double rounded(double value) {
  if (value == 0) return 0;
  const double scale = std::pow(10.0, 4 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(scale) ? std::round(value * scale) / scale : value;
}

Json color_encoding(const LineChart& chart, const std::vector<std::string>& runs) {
  const bool several_runs = runs.size() > 1;
  Json names = Json::array();
  std::set<std::string> seen;
  for (const Series& series : chart.series) {
    const std::string& name = several_runs ? series.run : series.name;
    if (seen.insert(name).second) names.push_back(name);
  }
  const Json domain = several_runs ? Json(runs) : names;
  Json color = {{"field", several_runs ? "run" : "series"},
                {"type", "nominal"},
                {"title", nullptr},
                {"scale", {{"domain", domain}}}};
  if (domain.size() > kPageColours) color["scale"]["scheme"] = "tableau20";
  // One curve needs no legend: the title says what it is.
  color["legend"] = names.size() > 1 ? top_legend(names) : Json(nullptr);
  return color;
}

// Tells the series of one run apart, by dash or by the shape of its points.
Json series_encoding(const Json& names) {
  return {{"field", "series"}, {"type", "nominal"}, {"title", nullptr}, {"legend", top_legend(names)}};
}

// What the layers of one chart share.
struct Plot {
  Json values = Json::array();
  std::set<std::string> names;  // of the series
  Json sparse = Json::array();  // names of series with two points or fewer
  size_t longest = 0;           // points of the longest curve, thinned
  double largest = 0;           // |value|
  bool several_runs = false;
  Json x, y, color, tooltip;
};

Plot plot_of(const LineChart& chart, const std::vector<std::string>& runs) {
  Plot plot;
  const bool several_runs = plot.several_runs = runs.size() > 1;
  for (const Series& series : chart.series) {
    const Curve curve = thin(series.curve, kMaxCurvePoints);
    // The mean is of all points, not of the extremes that thinning keeps.
    const bool noisy = chart.marks == Marks::kNoisyLine;
    const Curve mean = noisy ? moving_mean(series.curve, series.curve.size() / 60 + 2) : Curve();
    auto mean_at = mean.begin();
    plot.longest = std::max(plot.longest, curve.size());
    plot.names.insert(series.name);
    for (const Point& point : curve) {
      plot.largest = std::max(plot.largest, std::abs(point.value));
      Json row = {{"step", point.step}, {"value", rounded(point.value)}, {"series", series.name}};
      if (several_runs) row["run"] = series.run;
      while (mean_at != mean.end() && mean_at->step < point.step) ++mean_at;
      if (noisy) row["mean"] = rounded(mean_at->value);
      plot.values.push_back(std::move(row));
    }
  }
  for (const std::string& name : plot.names) {
    const bool all_sparse = std::all_of(chart.series.begin(), chart.series.end(), [&](const Series& series) {
      return series.name != name || series.curve.size() <= 2;
    });
    if (all_sparse) plot.sparse.push_back(name);
  }
  const bool share = chart.scale == Scale::kShare;
  plot.x = {{"field", "step"}, {"type", "quantitative"}, {"title", "step"}, {"scale", {{"nice", false}}}};
  plot.y = {{"field", "value"}, {"type", "quantitative"}, {"title", chart.unit}, {"scale", {{"zero", false}}}};
  plot.y["axis"]["format"] = share ? ".0%" : plot.largest < 1e4 ? "~r" : "~s";
  plot.color = color_encoding(chart, runs);
  // Filled points have no stroke for a legend to show.
  if (plot.sparse.size() == plot.names.size() && !plot.color["legend"].is_null())
    plot.color["legend"]["symbolType"] = "circle";
  plot.tooltip = Json::array();
  if (several_runs) plot.tooltip.push_back(Json{{"field", "run"}, {"type", "nominal"}, {"title", "run"}});
  if (plot.names.size() > 1) {
    plot.tooltip.push_back(Json{{"field", "series"}, {"type", "nominal"}, {"title", "curve"}});
  }
  plot.tooltip.push_back(Json{{"field", "step"}, {"type", "quantitative"}, {"title", "step"}, {"format", ","}});
  plot.tooltip.push_back(
      Json{{"field", "value"}, {"type", "quantitative"}, {"title", chart.unit}, {"format", share ? ".1%" : ",.4~r"}});
  return plot;
}

Json line_layer(const Plot& plot) {
  Json layer = {{"mark", {{"type", "line"}}}, {"encoding", {{"x", plot.x}, {"y", plot.y}, {"color", plot.color}}}};
  if (plot.several_runs && plot.names.size() > 1) {
    Json lines = Json::array();
    for (const std::string& name : plot.names) {
      if (std::find(plot.sparse.begin(), plot.sparse.end(), name) == plot.sparse.end()) lines.push_back(name);
    }
    layer["encoding"]["strokeDash"] = series_encoding(lines);
  }
  return layer;
}

// The measured curve pale, its moving mean on top.
void add_noisy_layers(const Plot& plot, Json& layers) {
  Json pale = line_layer(plot);
  pale["mark"]["opacity"] = 0.3;
  pale["mark"]["strokeWidth"] = 1;
  layers.push_back(pale);
  Json mean = line_layer(plot);
  mean["mark"]["strokeWidth"] = 2.2;
  mean["encoding"]["y"]["field"] = "mean";
  layers.push_back(mean);
}

// Series of two points or fewer get no line: it would claim a course that nobody measured.
void add_line_layers(const Plot& plot, Json& layers) {
  Json line = line_layer(plot);
  if (plot.longest <= kPointsShown) line["mark"]["point"] = true;
  if (!plot.sparse.empty()) {
    Json is_sparse;
    is_sparse["field"] = "series";
    is_sparse["oneOf"] = plot.sparse;
    Json points = line;
    points["mark"] = {{"type", "point"}, {"shape", "diamond"}, {"filled", true}, {"opacity", 1}, {"size", 100}};
    points["encoding"].erase("strokeDash");
    if (plot.several_runs) {
      // Colour says which run; the diamond needs a legend of its own.
      points["mark"].erase("shape");
      points["encoding"]["shape"] = series_encoding(plot.sparse);
      points["encoding"]["shape"]["scale"]["range"] = Json::array({"diamond", "square", "triangle-up"});
    }
    points["transform"][0]["filter"] = is_sparse;
    layers.push_back(points);
    if (plot.sparse.size() == plot.names.size()) return;
    line["transform"][0]["filter"]["not"] = is_sparse;
  }
  layers.push_back(line);
}

// Invisible points that show, with a tooltip, when the pointer is nearest to them.
Json hover_layer(const Plot& plot) {
  Json layer;
  Json near;
  near["name"] = "near";
  near["select"] = {{"type", "point"}, {"on", "pointerover"}, {"nearest", true}, {"clear", "pointerout"}};
  layer["params"] = Json::array({near});
  layer["mark"] = {{"type", "point"}, {"filled", true}, {"size", 70}};
  layer["encoding"] = {{"x", plot.x}, {"y", plot.y}, {"color", plot.color}, {"tooltip", plot.tooltip}};
  layer["encoding"]["opacity"] = {{"condition", {{"param", "near"}, {"empty", false}, {"value", 1}}}, {"value", 0}};
  return layer;
}

}  // namespace

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

Curve moving_mean(const Curve& curve, size_t half) {
  std::vector<double> sums{0};
  for (const Point& point : curve) sums.push_back(sums.back() + point.value);
  Curve mean;
  for (size_t i = 0; i < curve.size(); ++i) {
    const size_t begin = i > half ? i - half : 0;
    const size_t end = std::min(curve.size(), i + half + 1);
    mean.push_back({curve[i].step, (sums[end] - sums[begin]) / static_cast<double>(end - begin)});
  }
  return mean;
}

Json line_chart_spec(const LineChart& chart, const std::vector<std::string>& runs) {
  const Plot plot = plot_of(chart, runs);
  Json layers = Json::array();
  if (chart.marks == Marks::kNoisyLine && plot.longest > kPointsShown) {
    add_noisy_layers(plot, layers);
  } else {
    add_line_layers(plot, layers);
  }
  layers.push_back(hover_layer(plot));
  return {{"$schema", "https://vega.github.io/schema/vega-lite/v5.json"},
          {"description", chart.title},
          {"width", "container"},
          {"height", 210},
          {"data", {{"values", plot.values}}},
          {"layer", layers}};
}

}  // namespace circuit
