#include "report/evaluation_page/evaluation_page.h"

#include <fmt/core.h>

#include <cmath>
#include <vector>

#include "report/evaluation_page/baselines_section.h"
#include "report/evaluation_page/faithfulness_chart.h"
#include "report/evaluation_page/page_text.h"
#include "report/kit/elements.h"
#include "report/kit/page.h"
#include "report/kit/text.h"

namespace circuit {
namespace {

// Nearly the model: the size at which the curve gets there is worth a sentence.
constexpr double kFaithful = 0.9;

std::string size_phrase(const CircuitEvaluation& e) {
  std::string text =
      fmt::format("{} of the graph’s {} edges ({})", strong(format_count(e.edges)), format_count(e.graph_edges),
                  size_share(static_cast<double>(e.edges) / static_cast<double>(e.graph_edges)));
  if (e.edges_run != e.edges)
    text += fmt::format(", {} of them on a path from input to logits", format_count(e.edges_run));
  return text;
}

std::string metric_sentence(const CircuitEvaluation& e, const std::string& metric) {
  return fmt::format(
      "The mean {} over {} examples is {} with the whole model, {} with the circuit alone and {} with "
      "every edge ablated. ",
      escape_html(metric), format_count(e.examples), strong(format_value(e.full.metric.value)),
      strong(format_value(e.circuit.metric.value)), strong(format_value(e.empty.metric.value)));
}

std::string accuracy_sentence(const CircuitEvaluation& e) {
  if (std::isnan(e.circuit.accuracy.value)) return "";
  return fmt::format("Accuracy is {} with the circuit, {} with the whole model. ",
                     strong(percent(e.circuit.accuracy.value)), strong(percent(e.full.accuracy.value)));
}

std::string smallest_sentence(const CircuitEvaluation& e) {
  for (const CurvePoint& p : e.curve->by_magnitude) {
    if (p.faithfulness.value < kFaithful) continue;
    return fmt::format("On the curve by |score|, the first circuit to carry {} has {} edges, {} of them run. ",
                       percent(kFaithful), strong(format_count(p.edges)), format_count(p.edges_run));
  }
  return "";
}

std::string sentences_html(const CircuitEvaluation& e, const EvaluationNames& names,
                           const std::optional<Recovery>& recovery) {
  std::string text;
  if (e.faithfulness) {
    text = fmt::format("Run alone, this circuit carries {} of the behaviour (95 % interval {}). It has {}. ",
                       strong(percent(e.faithfulness->value)), range_of(*e.faithfulness, percent), size_phrase(e));
  } else {
    text = fmt::format(
        "What share of the behaviour this circuit carries is {}: ablating every edge changes the metric by "
        "{}, an interval that contains 0. The circuit has {}. ",
        strong("not defined"), with_range({e.range.value, e.range.interval}, format_value), size_phrase(e));
  }
  const std::string first = text + metric_sentence(e, names.metric) + accuracy_sentence(e);
  text.clear();
  if (e.completeness_gap) {
    text +=
        "All edges outside it carry " + with_range(*e.completeness_gap, percent) + ": the lower, the more complete. ";
  }
  if (e.minimality) {
    text += fmt::format("Of {} edges taken out one at a time, {} moved the metric by at least {} of its range. ",
                        format_count(e.minimality->sample), with_range(e.minimality->share, percent),
                        percent(kRedundantShare));
  }
  if (e.curve) {
    text += smallest_sentence(e) + "Over circuits of all sizes from the same scores, CPR is " +
            with_range(e.curve->cpr, format_value) + " and CMD " + with_range(e.curve->cmd, format_value) + ". ";
  }
  if (recovery) {
    text += fmt::format("Against {}: precision {}, recall {}, AUROC {}. ", escape_html(own_name(names.against)),
                        strong(format_value(recovery->precision)), strong(format_value(recovery->recall)),
                        strong(format_value(recovery->auroc)));
  }
  std::string html = "<p class=\"overview\">" + first + "</p>";
  if (!text.empty()) html += "<p class=\"overview\">" + text + "</p>";
  return html;
}

std::string points_html(const Json& points) {
  std::string head, rows;
  for (const char* title : {"selection", "share", "edges", "run", "faithfulness", "95 % interval"}) {
    head += sort_heading(title);
  }
  for (const Json& p : points) {
    const std::string series = p["series"].get<std::string>();
    const auto shown = [&](const char* key) { return decimals(p[key].get<double>()); };
    rows += series == kEvaluated ? "<tr class=\"marked\">" : "<tr>";
    rows += row_heading(series, escape_html(series)) + number_cell(p["share"], size_share(p["share"].get<double>())) +
            number_cell(p["edges"], format_count(p["edges"].get<int64_t>())) +
            number_cell(p["edges_run"], format_count(p["edges_run"].get<int64_t>())) +
            number_cell(p["faithfulness"], shown("faithfulness")) +
            number_cell(p["low"], shown("low") + " to " + shown("high")) + "</tr>\n";
  }
  return table_html({"Points of the curve", "sortable", " id=\"points\"", head, rows});
}

std::string curve_html(const Json& points) {
  if (points.empty()) return "<section><p class=\"missing\">No curve was measured.</p></section>";
  Card card{"faithfulness"};
  card.caption =
      "Circuits of the strongest edges, by |score| and by score with its sign (edges that support the metric only), "
      "with 95 % bootstrap bands. The dashed line at 1 is the whole model; the diamond is the circuit of this page.";
  card.controls =
      "<div class=\"controls\"><fieldset><legend>Axis of sizes</legend>"
      "<label><input type=\"radio\" name=\"scale\" value=\"log\" checked> logarithmic</label>"
      "<label><input type=\"radio\" name=\"scale\" value=\"linear\"> linear</label></fieldset></div>";
  card.tall = true;
  return "<section><h2>Faithfulness of growing circuits</h2>" + card_html(card) +
         "</section>\n<section><h2>The points</h2><p class=\"note\"><em>edges</em>: as selected; <em>run</em>: of "
         "those, the ones that were run.</p>" +
         points_html(points) +
         "\n<div class=\"controls\"><button type=\"button\" id=\"csv\">Save as CSV</button></div></section>\n";
}

std::string settings_html(const CircuitEvaluation& e, const EvaluationSpec& spec, const EvaluationNames& names) {
  std::vector<std::pair<std::string, std::string>> rows{
      {"circuit", names.circuit},
      {"model", names.model},
      {"records", names.data + ", " + format_count(e.examples) + " examples"},
      {"metric", names.metric},
      {"ablation", names.ablation},
      {"pruning", spec.pruning == Pruning::kPrune ? "edges on no path from input to logits are not run" : "none"},
      {"intervals", fmt::format("95 %, {} bootstrap resamples of the examples", format_count(kResamples))}};
  if (!names.against.empty()) rows.emplace_back("reference circuit", names.against);
  std::string html = "<dl>";
  for (const auto& [key, value] : rows) html += "<dt>" + key + "</dt><dd>" + escape_html(value) + "</dd>";
  return html +
         "</dl><p class=\"note\">Faithfulness is (m(circuit) − m(nothing)) / (m(model) − m(nothing)), m "
         "being "
         "the mean metric: 1 is the whole model, 0 the model with every edge ablated. Completeness is the "
         "same "
         "of all edges outside the circuit.</p>";
}

}  // namespace

std::string render_evaluation(const CircuitEvaluation& evaluation, const EvaluationSpec& spec,
                              const EvaluationNames& names, const std::optional<Recovery>& recovery) {
  Json data = Json::object();
  Json points = Json::array();
  if (evaluation.curve) {
    points = faithfulness_points(evaluation);
    data = {{"points", points}, {"spec", faithfulness_spec(points)}};
  }
  const std::string main = lead_section(sentences_html(evaluation, names, recovery)) + "\n" +
                           baselines_section(evaluation) + curve_html(points) + "\n" +
                           closing_section("How it was measured", settings_html(evaluation, spec, names));
  return page_html({"circuit evaluation",
                    own_name(names.circuit),
                    main,
                    "The chart, sorting and the CSV need JavaScript; the sentences and the table do not.",
                    "evaluation-data",
                    data,
                    {"charts.js", "table.js", "evaluation.js"}});
}

}  // namespace circuit
