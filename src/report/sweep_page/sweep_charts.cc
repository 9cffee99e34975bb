#include "report/sweep_page/sweep_charts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>

#include "report/kit/chart_parts.h"
#include "report/kit/front_chart.h"

namespace circuit {
namespace {

std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<double> base_value(const std::vector<Condition>& conditions, const std::string& name) {
  std::optional<double> base;
  for (const Condition& c : conditions) {
    const auto found = c.before.find(name);
    if (found == c.before.end() || !std::isfinite(found->second.mean)) continue;
    constexpr double kSame = 1e-9;  // relative; means of equal values differ by rounding
    if (base && std::abs(*base - found->second.mean) > kSame * std::abs(*base)) return std::nullopt;
    base = found->second.mean;
  }
  return base;
}

// What a key's chart is drawn from.
struct KeyChart {
  std::string key, number;
  bool is_number = true;
  std::set<std::string> series;
  Json rows = Json::array();
  Json x, color;
};

KeyChart key_chart(const std::vector<std::string>& keys, size_t at, const std::vector<Condition>& conditions,
                   const std::string& number) {
  KeyChart c{keys[at], number, true, {}, Json::array(), {}, {}};
  double low = INFINITY, high = -INFINITY;
  Json order = Json::array();
  for (const Condition& condition : conditions) {
    const std::optional<double> value = number_of(condition.values[at]);
    c.is_number = c.is_number && value;
    low = std::min(low, value.value_or(-INFINITY));
    high = std::max(high, value.value_or(INFINITY));
    if (std::find(order.begin(), order.end(), condition.values[at]) == order.end())
      order.push_back(condition.values[at]);
  }
  for (const Condition& condition : conditions) {
    const auto found = condition.after.find(number);
    if (found == condition.after.end() || !std::isfinite(found->second.mean)) continue;
    std::string series;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (i != at) series += (series.empty() ? "" : ", ") + keys[i] + " = " + condition.values[i];
    }
    Json row = {{"series", series}, {"runs", condition.finished}};
    row["x"] = c.is_number ? Json(*number_of(condition.values[at])) : Json(condition.values[at]);
    put_mean(row, "y", found->second);
    c.rows.push_back(row);
    c.series.insert(series);
  }
  c.x = {{"field", "x"}, {"title", keys[at]}};
  if (c.is_number) {
    c.x["type"] = "quantitative";
    c.x["scale"] = {{"zero", false}, {"nice", false}, {"padding", 14}};
    if (low > 0 && high / low > kLogarithmicSpan) c.x["scale"] = {{"type", "log"}, {"nice", false}, {"padding", 14}};
  } else {
    c.x["type"] = "ordinal";
    c.x["sort"] = order;
    // The page's number format is not for names.
    c.x["axis"] = {{"labelExpr", "datum.value"}, {"labelAngle", 0}};
    c.x["scale"] = {{"padding", 0.5}};
  }
  c.color = {{"field", "series"}, {"type", "nominal"}, {"title", nullptr}, {"legend", nullptr}};
  if (c.series.size() > 1) c.color["legend"] = {{"orient", "top"}, {"columns", 2}};
  if (c.series.size() > kPageColours) c.color["scale"] = {{"scheme", "tableau20"}};
  return c;
}

Json key_spec(const KeyChart& c, const std::optional<double>& base) {
  const Json y = quantity("y", axis_title(c.number, lower_is_better(c.number)));
  const auto low = [&] {
    Json end = y;
    end["field"] = "y_low";
    return end;
  };
  Json layers = Json::array();
  if (base) {
    layers.push_back({{"mark", {{"type", "rule"}, {"strokeDash", Json::array({5, 4})}, {"color", kNeutralColour}}},
                      {"encoding", {{"y", {{"datum", *base}, {"type", "quantitative"}}}}}});
  }
  // Names have an order of the command line only: no line between them.
  if (c.is_number)
    layers.push_back({{"mark", {{"type", "line"}}}, {"encoding", {{"x", c.x}, {"y", y}, {"color", c.color}}}});
  layers.push_back(
      filtered({{"mark", {{"type", "rule"}, {"strokeWidth", 1.5}}},
                {"encoding", {{"x", c.x}, {"y", low()}, {"y2", {{"field", "y_high"}}}, {"color", c.color}}}},
               "isValid(datum.y_low)"));
  layers.push_back(
      {{"mark", {{"type", "point"}, {"filled", true}, {"size", 60}, {"opacity", 1}}},
       {"encoding",
        {{"x", c.x},
         {"y", y},
         {"color", c.color},
         {"tooltip",
          Json::array({tip("x", c.key, c.is_number ? "quantitative" : "nominal"), tip("series", "beside", "nominal"),
                       tip("y", c.number, "quantitative"), tip("y_low", "interval from", "quantitative"),
                       tip("y_high", "to", "quantitative"), tip("runs", "runs", "quantitative")})}}}});
  return layered_chart(c.number + " against " + c.key, 230, c.rows, layers);
}

}  // namespace

Json scatter_spec(const Sweep& sweep, const std::vector<Condition>& conditions) {
  FrontChart chart{sweep.target, sweep.cost, sweep.target, sweep.cost, {}, std::nullopt, {}, {}};
  for (const Condition& c : conditions) {
    const auto target = c.after.find(sweep.target);
    const auto cost = c.after.find(sweep.cost);
    if (target == c.after.end() || cost == c.after.end()) continue;
    std::string values;
    for (const std::string& value : c.values) values += (values.empty() ? "" : ", ") + value;
    chart.points.push_back({c.label, values, target->second, cost->second, c.on_front, c.finished});
  }
  const std::optional<double> target = base_value(conditions, sweep.target);
  const std::optional<double> cost = base_value(conditions, sweep.cost);
  if (target && cost) chart.base = {*target, *cost};
  return front_spec(chart);
}

Json cost_curves_spec(const Sweep& sweep, const std::vector<Condition>& conditions) {
  Json rows = Json::array(), names = Json::array();
  for (const Condition& c : conditions) {
    if (c.curve.size() < 2) continue;
    names.push_back(c.label);
    for (const CostPoint& p : c.curve) {
      Json row = {{"name", c.label}, {"target", p.target}, {"runs", p.cost.n}};
      put_mean(row, "cost", p.cost);
      rows.push_back(row);
    }
  }
  if (rows.empty()) return nullptr;
  const Json x = quantity("target", axis_title(sweep.target, lower_is_better(sweep.target)));
  const Json y = quantity("cost", axis_title(sweep.cost, lower_is_better(sweep.cost)));
  Json low = y;
  low["field"] = "cost_low";
  Json color = {{"field", "name"}, {"type", "nominal"}, {"title", nullptr}, {"legend", top_legend(names)}};
  color["sort"] = names;
  if (names.size() > kPageColours) color["scale"] = {{"scheme", "tableau20"}};
  Json layers = Json::array();
  layers.push_back(filtered({{"mark", {{"type", "area"}, {"opacity", 0.16}}},
                             {"encoding", {{"x", x}, {"y", low}, {"y2", {{"field", "cost_high"}}}, {"color", color}}}},
                            "isValid(datum.cost_low)"));
  layers.push_back(
      {{"mark", {{"type", "line"}, {"point", {{"size", 24}}}}},
       {"encoding",
        {{"x", x},
         {"y", y},
         {"color", color},
         {"tooltip",
          Json::array({tip("name", "condition", "nominal"), tip("target", sweep.target, "quantitative"),
                       tip("cost", sweep.cost, "quantitative"), tip("cost_low", "interval from", "quantitative"),
                       tip("cost_high", "to", "quantitative"), tip("runs", "runs", "quantitative")})}}}});
  return layered_chart(sweep.cost + " on the way to " + sweep.target, 320, rows, layers);
}

std::vector<SweepChart> key_charts(const Sweep& sweep, const std::vector<Condition>& conditions) {
  const std::vector<std::string> keys = condition_keys(sweep);
  std::vector<SweepChart> charts;
  for (size_t i = 0; i < keys.size(); ++i) {
    for (const std::string& number : {sweep.target, sweep.cost}) {
      if (number.empty()) continue;
      const KeyChart c = key_chart(keys, i, conditions, number);
      if (c.rows.empty()) continue;
      const bool target = number == sweep.target;
      charts.push_back({fmt::format("key-{}-{}", i, target ? "target" : "cost"), number + " against " + keys[i],
                        target ? "What is gained." : "What it costs.", key_spec(c, base_value(conditions, number))});
    }
  }
  return charts;
}

}  // namespace circuit
