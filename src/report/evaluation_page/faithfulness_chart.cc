#include "report/evaluation_page/faithfulness_chart.h"

#include <fmt/core.h>

namespace circuit {
namespace {

Json point_of(const char* series, double share, int64_t edges, int64_t edges_run, const Estimate& f) {
  return {{"series", series},        {"share", share},        {"edges", edges},         {"edges_run", edges_run},
          {"faithfulness", f.value}, {"low", f.interval.low}, {"high", f.interval.high}};
}

Json share_axis() {
  return {{"field", "share"},
          {"type", "quantitative"},
          {"title", "share of the graph’s edges"},
          {"scale", {{"type", "log"}, {"nice", false}}},
          {"axis", {{"format", "~%"}, {"tickCount", 6}}}};
}

Json height(const char* field) {
  return {{"field", field},
          {"type", "quantitative"},
          {"title", "faithfulness"},
          {"scale", {{"zero", true}}},
          {"axis", {{"format", "~r"}}}};
}

Json series_color() {
  return {{"field", "series"},
          {"type", "nominal"},
          {"title", nullptr},
          {"scale", {{"domain", Json::array({kByMagnitude, kByScore, kEvaluated})}}},
          {"legend", {{"orient", "top"}}}};
}

Json series_dash() {
  Json dashed;
  dashed["test"] = fmt::format("datum.series === '{}'", kByScore);
  dashed["value"] = Json::array({7, 3});
  Json dash;
  dash["condition"] = dashed;
  dash["value"] = Json::array({1, 0});
  return dash;
}

Json layer(Json mark, Json encoding, const std::string& filter) {
  Json made = {{"mark", std::move(mark)}, {"encoding", std::move(encoding)}};
  if (!filter.empty()) made["transform"] = Json::array({{{"filter", filter}}});
  return made;
}

Json encoded(const char* field, const char* title, const char* format) {
  return {{"field", field}, {"type", "quantitative"}, {"title", title}, {"format", format}};
}

// Invisible points that show, with a tooltip, when the pointer is nearest to them.
Json hover_layer(const Json& x, const Json& color) {
  Json hover;
  hover["params"] = Json::array(
      {{{"name", "near"},
        {"select", {{"type", "point"}, {"on", "pointerover"}, {"nearest", true}, {"clear", "pointerout"}}}}});
  hover["mark"] = {{"type", "point"}, {"filled", true}, {"size", 90}};
  hover["encoding"] = {{"x", x},
                       {"y", height("faithfulness")},
                       {"color", color},
                       {"opacity", {{"condition", {{"param", "near"}, {"empty", false}, {"value", 1}}}, {"value", 0}}},
                       {"tooltip", Json::array({{{"field", "series"}, {"type", "nominal"}, {"title", "selection"}},
                                                encoded("share", "share of edges", ".2~%"),
                                                encoded("edges", "edges selected", ","),
                                                encoded("edges_run", "edges run", ","),
                                                encoded("faithfulness", "faithfulness", ".3~f"),
                                                encoded("low", "interval from", ".3~f"),
                                                encoded("high", "to", ".3~f")})}};
  return hover;
}

}  // namespace

Json faithfulness_points(const CircuitEvaluation& e) {
  Json points = Json::array();
  for (const auto& [name, curve] : {std::pair(kByMagnitude, &e.curve->by_magnitude), {kByScore, &e.curve->by_score}}) {
    for (const CurvePoint& p : *curve) points.push_back(point_of(name, p.share, p.edges, p.edges_run, p.faithfulness));
  }
  const double share = static_cast<double>(e.edges) / static_cast<double>(e.graph_edges);
  points.push_back(point_of(kEvaluated, share, e.edges, e.edges_run, *e.faithfulness));
  return points;
}

Json faithfulness_spec(const Json& points) {
  const Json x = share_axis();
  const Json color = series_color();
  const std::string curves = fmt::format("datum.series !== '{}'", kEvaluated);
  const std::string marked = fmt::format("datum.series === '{}'", kEvaluated);
  Json layers = Json::array();
  Json band = {{"x", x}, {"y", height("low")}, {"y2", {{"field", "high"}}}, {"color", color}};
  layers.push_back(layer({{"type", "area"}, {"opacity", 0.16}}, band, curves));
  // The whole model: what a faithful circuit does.
  layers.push_back(layer({{"type", "rule"}, {"strokeDash", Json::array({5, 4})}, {"color", "#808890"}},
                         {{"y", {{"datum", 1}, {"type", "quantitative"}}}}, ""));
  Json line = {{"x", x}, {"y", height("faithfulness")}, {"color", color}};
  // Told apart without colour, too.
  line["strokeDash"] = series_dash();
  line["detail"] = {{"field", "series"}, {"type", "nominal"}};
  layers.push_back(layer({{"type", "line"}, {"point", {{"size", 36}}}}, line, curves));
  Json interval = {{"x", x}, {"y", height("low")}, {"y2", {{"field", "high"}}}, {"color", color}};
  layers.push_back(layer({{"type", "rule"}, {"strokeWidth", 2}}, interval, marked));
  layers.push_back(layer({{"type", "point"}, {"shape", "diamond"}, {"filled", true}, {"size", 190}, {"opacity", 1}},
                         {{"x", x}, {"y", height("faithfulness")}, {"color", color}}, marked));
  layers.push_back(hover_layer(x, color));
  return {{"$schema", "https://vega.github.io/schema/vega-lite/v5.json"},
          {"description", "Faithfulness against the share of the graph's edges"},
          {"width", "container"},
          {"height", 300},
          {"data", {{"values", points}}},
          // A circuit of no edges has no place on a logarithmic axis; its faithfulness is 0 by definition.
          {"transform", Json::array({{{"filter", "datum.share > 0"}}})},
          {"layer", layers}};
}

}  // namespace circuit
