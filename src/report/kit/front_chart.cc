#include "report/kit/front_chart.h"

#include <algorithm>
#include <cmath>

#include "report/kit/chart_parts.h"
#include "report/kit/gain_and_cost.h"

namespace circuit {
namespace {

std::string kind_is(const char* kind) { return "datum.kind === '" + std::string(kind) + "'"; }

struct Rows {
  Json values = Json::array();
  Json kinds = Json::array();  // of points, in the legend's order
  bool any_interval = false;
  double least_cost = INFINITY, largest_cost = -INFINITY;

  void add(Json row) {
    least_cost = std::min(least_cost, row["cost"].get<double>());
    largest_cost = std::max(largest_cost, row["cost"].get<double>());
    any_interval = any_interval || row.contains("target_low") || row.contains("cost_low");
    values.push_back(std::move(row));
  }
};

Rows rows_of(const FrontChart& chart) {
  Rows rows;
  const bool by_run = !chart.runs.empty();
  for (const FrontPoint& p : chart.points) {
    if (!std::isfinite(p.target.mean) || !std::isfinite(p.cost.mean)) continue;
    Json row = {{by_run ? "run" : "name", p.name}, {"kind", p.on_front ? kOnFront : kOffFront}, {"runs", p.runs}};
    if (by_run) row.erase("runs");
    if (!by_run) row["label"] = p.label;
    put_mean(row, "target", p.target);
    put_mean(row, "cost", p.cost);
    rows.add(row);
  }
  if (rows.values.empty()) return rows;
  rows.kinds = {kOnFront, kOffFront};
  if (chart.base && std::isfinite(chart.base->first) && std::isfinite(chart.base->second)) {
    Json row = {{"kind", kBefore}, {"target", chart.base->first}, {"cost", chart.base->second}};
    row[by_run ? "run" : "name"] = by_run ? Json(nullptr) : Json(kBefore);
    row["label"] = by_run ? kBefore : "before";
    rows.add(row);
    rows.kinds.push_back(kBefore);
  }
  for (const FrontPath& path : chart.paths) {
    for (const FrontPath::Step& s : path.steps) {
      if (!std::isfinite(s.target) || !std::isfinite(s.cost)) continue;
      rows.add({{"run", path.name}, {"kind", kPath}, {"step", s.step}, {"target", s.target}, {"cost", s.cost}});
    }
  }
  return rows;
}

bool is_share(const std::string& number) {
  const std::string end = "/accuracy";
  return number == kTouchedShare || number == kLargestShare ||
         (number.size() > end.size() && number.compare(number.size() - end.size(), end.size(), end) == 0);
}

Json axis(const char* field, const std::string& number, const std::string& title, double padding) {
  Json made = quantity(field, axis_title(title, lower_is_better(number)));
  made["scale"]["padding"] = padding;
  if (is_share(number)) made["axis"]["format"] = ".0%";
  return made;
}

Json value_tip(const char* field, const std::string& number, const std::string& title) {
  Json made = tip(field, title, "quantitative");
  if (is_share(number)) made["format"] = ".1%";
  return made;
}

Json end_of(Json channel, const char* field) {
  channel["field"] = field;
  return channel;
}

// Colours by run, as in the page's other charts.
Json run_color(const FrontChart& chart) {
  Json shown = Json::array();
  for (const FrontPoint& p : chart.points) {
    if (std::isfinite(p.target.mean) && std::isfinite(p.cost.mean)) shown.push_back(p.name);
  }
  Json color = {{"field", "run"}, {"type", "nominal"}, {"title", nullptr}, {"scale", {{"domain", chart.runs}}}};
  if (chart.runs.size() > kPageColours) color["scale"]["scheme"] = "tableau20";
  color["legend"] = chart.runs.size() > 1 ? top_legend(shown) : Json(nullptr);
  return color;
}

Json kind_channel(const Json& kinds) {
  return {{"field", "kind"},
          {"type", "nominal"},
          {"title", nullptr},
          {"scale", {{"domain", kinds}}},
          {"legend", {{"orient", "top"}}}};
}

void add_intervals(const Json& x, const Json& y, const Json& color, Json& layers) {
  layers.push_back(filtered(
      {{"mark", {{"type", "rule"}, {"opacity", 0.5}}},
       {"encoding", {{"x", x}, {"y", end_of(y, "target_low")}, {"y2", {{"field", "target_high"}}}, {"color", color}}}},
      "isValid(datum.target_low)"));
  layers.push_back(filtered(
      {{"mark", {{"type", "rule"}, {"opacity", 0.5}}},
       {"encoding", {{"x", end_of(x, "cost_low")}, {"x2", {{"field", "cost_high"}}}, {"y", y}, {"color", color}}}},
      "isValid(datum.cost_low)"));
}

void add_paths(const FrontChart& chart, const Json& x, const Json& y, const Json& color, Json& layers) {
  const Json tips = Json::array({tip("run", "run", "nominal"), tip("step", "step", "quantitative"),
                                 value_tip("target", chart.target, chart.target_title),
                                 value_tip("cost", chart.cost, chart.cost_title)});
  Json line = {{"mark", {{"type", "line"}, {"opacity", 0.35}, {"strokeWidth", 1.5}}},
               {"encoding",
                {{"x", x},
                 {"y", y},
                 {"color", color},
                 {"order", {{"field", "step"}, {"type", "quantitative"}}},
                 {"tooltip", tips}}}};
  line["mark"]["point"] = {{"opacity", 0.45}, {"size", 22}};
  layers.push_back(filtered(line, kind_is(kPath)));
}

}  // namespace

Json front_spec(const FrontChart& chart) {
  const bool by_run = !chart.runs.empty();
  const Rows rows = rows_of(chart);
  if (rows.values.empty()) return nullptr;
  Json x = axis("cost", chart.cost, chart.cost_title, 24);
  const Json y = axis("target", chart.target, chart.target_title, 12);
  if (rows.least_cost > 0 && rows.largest_cost / rows.least_cost > kLogarithmicSpan) x["scale"]["type"] = "log";
  Json color = by_run ? run_color(chart) : kind_channel(rows.kinds);
  if (by_run && !color["legend"].is_null()) color["legend"]["symbolType"] = "circle";
  // Told apart without colour, too.
  Json shape = kind_channel(rows.kinds);
  shape["scale"]["range"] = Json::array({"circle", "square", "cross"});
  if (by_run) shape["legend"] = nullptr;

  Json layers = Json::array();
  if (!chart.paths.empty()) add_paths(chart, x, y, color, layers);
  Json front = {
      {"mark", {{"type", "line"}, {"interpolate", "linear"}, {"strokeDash", Json::array({4, 3})}, {"strokeWidth", 1}}},
      {"encoding", {{"x", x}, {"y", y}, {"order", {{"field", "cost"}, {"type", "quantitative"}}}}}};
  if (by_run) {
    front["mark"]["color"] = kNeutralColour;  // it joins runs
  } else {
    front["encoding"]["color"] = color;
  }
  layers.push_back(filtered(front, kind_is(kOnFront)));
  if (rows.any_interval) add_intervals(x, y, color, layers);

  Json tips = Json::array({by_run ? tip("run", "run", "nominal") : tip("name", "condition", "nominal"),
                           value_tip("target", chart.target, chart.target_title),
                           value_tip("cost", chart.cost, chart.cost_title),
                           by_run ? tip("kind", "Pareto", "nominal") : tip("runs", "runs", "quantitative")});
  Json points = {{"mark", {{"type", "point"}, {"filled", true}, {"size", by_run ? 130 : 90}, {"opacity", 1}}},
                 {"encoding", {{"x", x}, {"y", y}, {"color", color}, {"shape", shape}, {"tooltip", tips}}}};
  Json text = {{"mark", {{"type", "text"}, {"align", "left"}, {"dx", 8}, {"dy", -7}, {"fontSize", 11}}},
               {"encoding", {{"x", x}, {"y", y}, {"text", {{"field", "label"}, {"type", "nominal"}}}}}};
  if (by_run) {
    Json base = points;
    base["encoding"].erase("color");
    base["mark"]["color"] = kNeutralColour;
    base["encoding"]["tooltip"][0] = tip("kind", "point", "nominal");
    base["encoding"]["tooltip"].erase(3);
    layers.push_back(filtered(base, kind_is(kBefore)));
    layers.push_back(filtered(points, kind_is(kOnFront) + " || " + kind_is(kOffFront)));
    text["mark"]["color"] = kNeutralColour;
    // Beside the cross: the runs' ways lead up from it.
    text["mark"]["dx"] = 12;
    text["mark"]["dy"] = 5;
    layers.push_back(filtered(text, kind_is(kBefore)));
  } else {
    layers.push_back(points);
    text["encoding"]["color"] = color;
    layers.push_back(filtered(text, "datum.kind !== '" + std::string(kOffFront) + "'"));
  }
  return layered_chart(chart.target_title + " against " + chart.cost_title, by_run ? 300 : 360, rows.values, layers);
}

}  // namespace circuit
