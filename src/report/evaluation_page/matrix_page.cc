#include "report/evaluation_page/matrix_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "report/evaluation_page/page_text.h"
#include "report/kit/chart_parts.h"
#include "report/kit/elements.h"
#include "report/kit/page.h"
#include "report/kit/text.h"

namespace circuit {
namespace {

// Files by the last part of their paths, or by all of it where two would be called the same.
std::vector<std::string> short_names(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const std::string& path : paths) names.push_back(own_name(path));
  return std::set<std::string>(names.begin(), names.end()).size() == names.size() ? names : paths;
}

// Cells filled the more strongly the nearer `value` is to 1, with the number in them.
Json heat_map(const std::string& description, const Json& rows, const Json& x, const Json& y,
              const std::string& value) {
  constexpr double kStrong = 0.55;  // filled so that the page's ground is what reads on it
  const Json fill = {{"field", value},
                     {"type", "quantitative"},
                     {"scale", {{"domain", {0, 1}}, {"range", {0.06, 1}}, {"clamp", true}}},
                     {"legend", nullptr}};
  const Json colour = {{"datum", value}, {"type", "nominal"}, {"legend", nullptr}};
  const Json shown = {{"field", value}, {"type", "quantitative"}, {"format", ".2f"}};
  const auto text = [&](const char* style, const std::string& condition) {
    return filtered({{"mark", {{"type", "text"}, {"style", style}, {"fontSize", 12}}}, {"encoding", {{"text", shown}}}},
                    condition);
  };
  const std::string known = "isValid(datum." + value + ")";
  Json tips = Json::array();
  for (const char* field : {"task", "circuit", "other"}) {
    if (rows[0].contains(field)) tips.push_back(tip(field, field, "nominal"));
  }
  for (const char* field : {"faithfulness", "low", "high", "overlap", "edges_run"}) {
    if (rows[0].contains(field)) tips.push_back(tip(field, field, "quantitative"));
  }
  Json layers = Json::array();
  layers.push_back(filtered({{"mark", {{"type", "rect"}, {"cornerRadius", 2}}},
                             {"encoding", {{"color", colour}, {"opacity", fill}, {"tooltip", tips}}}},
                            known));
  layers.push_back(text("on-strong", fmt::format("{} && datum.{} > {}", known, value, kStrong)));
  layers.push_back(text("on-faint", fmt::format("{} && datum.{} <= {}", known, value, kStrong)));
  layers.push_back(filtered(
      {{"mark", {{"type", "text"}, {"style", "on-faint"}}}, {"encoding", {{"text", {{"value", "not defined"}}}}}},
      "!" + known));
  std::set<std::string> heights;
  for (const Json& row : rows) heights.insert(row[y["field"].get<std::string>()].get<std::string>());
  Json chart = layered_chart(description, 60 + 34 * static_cast<int>(heights.size()), rows, layers);
  chart["encoding"] = {{"x", x}, {"y", y}};
  return chart;
}

// A nominal axis in the order of the files. The label is the name: the page's axes format numbers.
Json files_axis(const char* field, const char* title) {
  const Json axis = {{"labelExpr", "datum.value"},
                     {"labelLimit", 180},
                     {"labelAngle", 0},
                     {"labelOverlap", false},
                     {"grid", false},
                     {"domain", false},
                     {"ticks", false}};
  return {{"field", field}, {"type", "nominal"}, {"sort", nullptr}, {"title", title}, {"axis", axis}};
}

Json overlap_points(const CircuitMatrix& m) {
  const std::vector<std::string> names = short_names(m.circuits);
  Json rows = Json::array();
  for (size_t a = 0; a < names.size(); ++a) {
    for (size_t b = 0; b < names.size(); ++b) {
      rows.push_back({{"circuit", names[a]}, {"other", names[b]}, {"overlap", m.overlap[a][b]}});
    }
  }
  return rows;
}

std::string matrix_sentences(const CircuitMatrix& m, const std::string& metric) {
  std::string text = fmt::format(
      "{} circuits on {} tasks: the share of each task’s behaviour, in mean {}, that each circuit carries when "
      "it runs alone. ",
      strong(format_count(static_cast<int64_t>(m.circuits.size()))),
      strong(format_count(static_cast<int64_t>(m.tasks.size()))), escape_html(metric));
  const std::vector<std::string> tasks = short_names(m.tasks);
  const std::vector<std::string> circuits = short_names(m.circuits);
  for (size_t t = 0; t < m.tasks.size(); ++t) {
    const std::vector<CircuitEvaluation>& row = m.cells[t];
    if (!row[0].faithfulness) {
      text += fmt::format("On {} it is not defined: ablating every edge does not move the metric for certain. ",
                          escape_html(tasks[t]));
      continue;
    }
    const auto best = std::max_element(row.begin(), row.end(), [](const auto& a, const auto& b) {
      return a.faithfulness->value < b.faithfulness->value;
    });
    text +=
        fmt::format("On {} the most is {}, by {}. ", escape_html(tasks[t]), with_range(*best->faithfulness, percent),
                    escape_html(circuits[static_cast<size_t>(best - row.begin())]));
  }
  return "<p class=\"overview\">" + text + "</p>";
}

std::string cells_html(const Json& points) {
  std::string head, rows;
  for (const char* title :
       {"task", "circuit", "edges run", "faithfulness", "95 % interval", "metric", "whole model", "nothing"}) {
    head += sort_heading(title);
  }
  const auto cell = [](const Json& value) {
    return value.is_null() ? cell_html("", "not defined") : number_cell(value, decimals(value.get<double>()));
  };
  for (const Json& p : points) {
    const auto name = [&](const char* key) { return p[key].get<std::string>(); };
    const bool known = !p["faithfulness"].is_null();
    rows +=
        "<tr>" + row_heading(name("task"), escape_html(name("task"))) +
        cell_html(name("circuit"), escape_html(name("circuit"))) +
        number_cell(p["edges_run"], format_count(p["edges_run"].get<int64_t>())) + cell(p["faithfulness"]) +
        (known ? number_cell(p["low"], decimals(p["low"].get<double>()) + " to " + decimals(p["high"].get<double>()))
               : cell_html("", "")) +
        cell(p["metric"]) + cell(p["full"]) + cell(p["empty"]) + "</tr>\n";
  }
  return table_html({"Circuits on tasks", "sortable", " id=\"points\"", head, rows});
}

std::string matrix_settings(const CircuitMatrix& m, const EvaluateRequest& request) {
  std::vector<std::pair<std::string, std::string>> rows{{"model", request.model}};
  for (size_t t = 0; t < m.tasks.size(); ++t) {
    rows.emplace_back("task", m.tasks[t] + ", " + format_count(m.cells[t][0].examples) + " examples");
  }
  for (size_t c = 0; c < m.circuits.size(); ++c) {
    rows.emplace_back("circuit", m.circuits[c] + ", " + format_count(m.cells[0][c].edges) + " edges, " +
                                     format_count(m.cells[0][c].edges_run) + " of them run");
  }
  rows.emplace_back("metric", request.metric);
  rows.emplace_back("ablation", request.ablation->name);
  rows.emplace_back("intervals", fmt::format("95 %, {} bootstrap resamples of the examples", format_count(kResamples)));
  std::string html = "<dl>";
  for (const auto& [key, value] : rows) html += "<dt>" + key + "</dt><dd>" + escape_html(value) + "</dd>";
  return html + "</dl><p class=\"note\">Overlap is the Jaccard index |A∩B| / |A∪B| of the edges that are run.</p>";
}

}  // namespace

Json matrix_points(const CircuitMatrix& m) {
  const std::vector<std::string> tasks = short_names(m.tasks);
  const std::vector<std::string> circuits = short_names(m.circuits);
  Json rows = Json::array();
  for (size_t t = 0; t < tasks.size(); ++t) {
    for (size_t c = 0; c < circuits.size(); ++c) {
      const CircuitEvaluation& cell = m.cells[t][c];
      Json row = {{"task", tasks[t]},
                  {"circuit", circuits[c]},
                  {"faithfulness", nullptr},
                  {"low", nullptr},
                  {"high", nullptr},
                  {"metric", cell.circuit.metric.value},
                  {"full", cell.full.metric.value},
                  {"empty", cell.empty.metric.value},
                  {"edges_run", cell.edges_run}};
      if (cell.faithfulness) {
        row["faithfulness"] = cell.faithfulness->value;
        row["low"] = cell.faithfulness->interval.low;
        row["high"] = cell.faithfulness->interval.high;
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string render_matrix(const CircuitMatrix& matrix, const EvaluateRequest& request) {
  const Json points = matrix_points(matrix);
  Card cells{"matrix"};
  cells.caption =
      "Rows are tasks, columns circuits; the stronger a cell, the nearer its circuit is to the whole model.";
  Card overlap{"overlap"};
  overlap.caption = "How many edges two circuits share, of those that either has.";
  const std::string main =
      lead_section(matrix_sentences(matrix, request.metric)) + "\n<section><h2>Faithfulness</h2>" + card_html(cells) +
      "</section>\n<section><h2>Overlap of the circuits’ edges</h2>" + card_html(overlap) +
      "</section>\n<section><h2>The cells</h2>" + cells_html(points) +
      "\n<div class=\"controls\"><button type=\"button\" id=\"csv\">Save as CSV</button></div></section>\n" +
      closing_section("How it was measured", matrix_settings(matrix, request));
  const Json charts =
      Json::array({{{"id", "matrix"},
                    {"spec", heat_map("Faithfulness of circuits on tasks", points, files_axis("circuit", "circuit"),
                                      files_axis("task", "task"), "faithfulness")}},
                   {{"id", "overlap"},
                    {"spec", heat_map("Overlap of the circuits' edges", overlap_points(matrix),
                                      files_axis("other", "circuit"), files_axis("circuit", "circuit"), "overlap")}}});
  return page_html({"circuit evaluation",
                    own_name(request.model),
                    main,
                    "The charts, sorting and the CSV need JavaScript; the sentences and the table do not.",
                    "evaluation-data",
                    {{"points", points}, {"charts", charts}},
                    {"charts.js", "table.js", "evaluation.js"}});
}

}  // namespace circuit
