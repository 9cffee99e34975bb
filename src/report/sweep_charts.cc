#include "report/sweep_charts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>

#include "report/chart_spec.h"

namespace circuit {
namespace {

std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// A number with the ends of its interval, as fields NAME, NAME_low, NAME_high.
void put(Json& row, const std::string& field, const ReplicateMean& r) {
  row[field] = r.mean;
  if (!r.interval) return;
  row[field + "_low"] = r.interval->low;
  row[field + "_high"] = r.interval->high;
}

Json quantity(const std::string& field, const std::string& title) {
  return {{"field", field}, {"type", "quantitative"}, {"title", title}, {"scale", {{"zero", false}}}};
}

Json tip(const std::string& field, const std::string& title, const char* type) {
  Json made = {{"field", field}, {"type", type}, {"title", title}};
  if (std::string(type) == "quantitative") made["format"] = ".4~r";
  return made;
}

Json filtered(Json layer, const std::string& condition) {
  layer["transform"] = Json::array({{{"filter", condition}}});
  return layer;
}

// Never an axis that starts nowhere: the arrow in words.
std::string axis_title(const std::string& name) { return name + (lower_is_better(name) ? " (lower is better)" : ""); }

Json chart(const std::string& description, int height, const Json& rows, const Json& layers) {
  return {{"$schema", "https://vega.github.io/schema/vega-lite/v5.json"},
          {"description", description},
          {"width", "container"},
          {"height", height},
          {"data", {{"values", rows}}},
          {"layer", layers}};
}

std::optional<double> base_value(const std::vector<Condition>& conditions, const std::string& name) {
  std::optional<double> base;
  for (const Condition& c : conditions) {
    const auto found = c.before.find(name);
    if (found == c.before.end()) continue;
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
    if (found == condition.after.end()) continue;
    std::string series;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (i != at) series += (series.empty() ? "" : ", ") + keys[i] + " = " + condition.values[i];
    }
    Json row = {{"series", series}, {"runs", condition.finished}};
    row["x"] = c.is_number ? Json(*number_of(condition.values[at])) : Json(condition.values[at]);
    put(row, "y", found->second);
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
  const Json y = quantity("y", axis_title(c.number));
  const auto low = [&] {
    Json end = y;
    end["field"] = "y_low";
    return end;
  };
  Json layers = Json::array();
  if (base) {
    layers.push_back({{"mark", {{"type", "rule"}, {"strokeDash", Json::array({5, 4})}, {"color", "#808890"}}},
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
  return chart(c.number + " against " + c.key, 230, c.rows, layers);
}

}  // namespace

Json scatter_spec(const Sweep& sweep, const std::vector<Condition>& conditions) {
  Json rows = Json::array();
  for (const Condition& c : conditions) {
    const auto target = c.after.find(sweep.target);
    const auto cost = c.after.find(sweep.cost);
    if (target == c.after.end() || cost == c.after.end()) continue;
    Json row = {{"label", c.label}, {"kind", c.on_front ? "on the front" : "not on the front"}, {"runs", c.finished}};
    std::string values;
    for (const std::string& value : c.values) values += (values.empty() ? "" : ", ") + value;
    row["values"] = values;
    put(row, "target", target->second);
    put(row, "cost", cost->second);
    rows.push_back(row);
  }
  if (rows.empty()) return nullptr;
  const std::optional<double> target = base_value(conditions, sweep.target);
  const std::optional<double> cost = base_value(conditions, sweep.cost);
  Json kinds = Json::array({"on the front", "not on the front"});
  if (target && cost) {
    rows.push_back({{"label", "before tuning"},
                    {"values", "before"},
                    {"kind", "before tuning"},
                    {"target", *target},
                    {"cost", *cost}});
    kinds.push_back("before tuning");
  }
  Json x = quantity("cost", axis_title(sweep.cost));
  x["scale"]["padding"] = 24;
  Json y = quantity("target", axis_title(sweep.target));
  y["scale"]["padding"] = 12;
  const auto end_of = [](Json axis, const char* field) {
    axis["field"] = field;
    return axis;
  };
  const Json color = {{"field", "kind"},
                      {"type", "nominal"},
                      {"title", nullptr},
                      {"scale", {{"domain", kinds}}},
                      {"legend", {{"orient", "top"}}}};
  // Told apart without colour, too.
  const Json shape = {{"field", "kind"},
                      {"type", "nominal"},
                      {"title", nullptr},
                      {"scale", {{"domain", kinds}, {"range", Json::array({"circle", "square", "cross"})}}},
                      {"legend", {{"orient", "top"}}}};
  Json layers = Json::array();
  layers.push_back(filtered(
      {{"mark", {{"type", "line"}, {"interpolate", "linear"}, {"strokeDash", Json::array({4, 3})}, {"strokeWidth", 1}}},
       {"encoding", {{"x", x}, {"y", y}, {"order", {{"field", "cost"}, {"type", "quantitative"}}}, {"color", color}}}},
      "datum.kind === 'on the front'"));
  layers.push_back(filtered(
      {{"mark", {{"type", "rule"}, {"opacity", 0.5}}},
       {"encoding", {{"x", x}, {"y", end_of(y, "target_low")}, {"y2", {{"field", "target_high"}}}, {"color", color}}}},
      "isValid(datum.target_low)"));
  layers.push_back(filtered(
      {{"mark", {{"type", "rule"}, {"opacity", 0.5}}},
       {"encoding", {{"x", end_of(x, "cost_low")}, {"x2", {{"field", "cost_high"}}}, {"y", y}, {"color", color}}}},
      "isValid(datum.cost_low)"));
  layers.push_back(
      {{"mark", {{"type", "point"}, {"filled", true}, {"size", 90}, {"opacity", 1}}},
       {"encoding",
        {{"x", x},
         {"y", y},
         {"color", color},
         {"shape", shape},
         {"tooltip", Json::array({tip("label", "condition", "nominal"), tip("target", sweep.target, "quantitative"),
                                  tip("cost", sweep.cost, "quantitative"), tip("runs", "runs", "quantitative")})}}}});
  layers.push_back(filtered(
      {{"mark", {{"type", "text"}, {"align", "left"}, {"dx", 8}, {"dy", -7}, {"fontSize", 11}}},
       {"encoding", {{"x", x}, {"y", y}, {"text", {{"field", "values"}, {"type", "nominal"}}}, {"color", color}}}},
      "datum.kind !== 'not on the front'"));
  return chart(sweep.target + " against " + sweep.cost, 360, rows, layers);
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
