#include "report/run_page/overview.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <tuple>

#include "core/progress.h"
#include "report/kit/elements.h"
#include "report/kit/text.h"
#include "report/run_page/charts.h"

namespace circuit {
namespace {

std::string meta(const RunData& run, const std::string& key) {
  const auto found = run.meta.find(key);
  return found == run.meta.end() ? "" : found->second;
}

std::string method_phrase(const std::string& method) {
  static const std::map<std::string, std::string> phrases = {
      {"circuit", "circuit-tuning"},
      {"full", "full fine-tuning"},
      {"lora", "LoRA"},
      {"random", "tuning of random edges (a control)"},
      {"fixed", "circuit-tuning with the first circuit kept"},
      {"complement", "tuning of the circuit’s complement (a control)"}};
  const auto found = phrases.find(method);
  if (found != phrases.end()) return found->second;
  return method.empty() ? "an unrecorded method" : "the method <em>" + escape_html(method) + "</em>";
}

int64_t architecture_int(const RunData& run, const std::string& key) {
  const auto found = run.architecture.find(key);
  return found != run.architecture.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::string model_phrase(const RunData& run) {
  const std::string path = meta(run, "model");
  std::string name = std::filesystem::path(path).filename().string();
  if (name.empty()) name = path;
  std::string phrase = name.empty() ? "a model" : "<strong>" + escape_html(name) + "</strong>";
  std::string facts;
  const auto family = run.architecture.find("family");
  if (family != run.architecture.end() && family->is_string()) facts = escape_html(family->get<std::string>()) + ", ";
  if (const int64_t layers = architecture_int(run, "n_layers")) facts += fmt::format("{} layers, ", layers);
  if (const int64_t heads = architecture_int(run, "n_heads")) facts += fmt::format("{} heads, ", heads);
  if (const int64_t parameters = architecture_int(run, "parameters")) {
    facts += format_large(parameters) + " parameters, ";
  }
  if (!facts.empty()) phrase += " (" + facts.substr(0, facts.size() - 2) + ")";
  return phrase;
}

const Curve* curve_of(const RunData& run, const std::string& name) {
  const auto found = run.evaluations.find(name);
  return found == run.evaluations.end() || found->second.empty() ? nullptr : &found->second;
}

std::optional<double> value_at(const Curve& curve, double step) {
  for (const Point& point : curve) {
    if (point.step == step) return point.value;
  }
  return std::nullopt;
}

std::string formatted(const std::string& measure, double value) {
  return measure == "accuracy" && std::isfinite(value) ? format_percent(value) : format_value(value);
}

// As the page's tables sort it: JavaScript's words; NaN is missing.
std::string sort_value(double value) {
  if (std::isnan(value)) return "";
  return std::isinf(value) ? (value > 0 ? "Infinity" : "-Infinity") : fmt::format("{}", value);
}

// "from −3.4 to 2.1", the last value being the best step's where it was evaluated, else the last one.
std::string change_phrase(const RunData& run, const Curve& curve, const std::string& measure) {
  // Test numbers of a run that has not finished: before tuning only.
  if (curve.size() == 1) return "from " + strong(formatted(measure, curve.front().value)) + " (not measured again yet)";
  const double after = value_at(curve, static_cast<double>(best_step(run))).value_or(curve.back().value);
  return "from " + strong(formatted(measure, curve.front().value)) + " to " + strong(formatted(measure, after));
}

std::string relative_phrase(double before, double after) {
  if (!(before > 0) || !std::isfinite(before) || !std::isfinite(after)) return "";
  const double change = after / before - 1;
  if (std::abs(change) < 0.0005) return " (unchanged)";
  return fmt::format(" ({}{})", change > 0 ? "+" : "", format_percent(change));
}

std::string perplexity_phrase(const RunData& run, const Curve& curve) {
  const double after = value_at(curve, static_cast<double>(best_step(run))).value_or(curve.back().value);
  const std::string relative = curve.size() == 1 ? "" : relative_phrase(curve.front().value, after);
  return change_phrase(run, curve, "perplexity") + relative;
}

std::string behaviour_sentences(const RunData& run) {
  const std::string split = curve_of(run, "dev/metric") || curve_of(run, "dev/accuracy") ? "dev" : "test";
  const Curve* metric = curve_of(run, split + "/metric");
  const Curve* accuracy = curve_of(run, split + "/accuracy");
  std::string text;
  const int64_t best = best_step(run);
  if (metric != nullptr || accuracy != nullptr) {
    text += metric != nullptr && best >= 0 ? "At its best step, " + format_count(best) + ", the " : "The ";
    if (metric != nullptr) text += split + " metric had gone " + change_phrase(run, *metric, "metric");
    if (metric != nullptr && accuracy != nullptr) text += " and ";
    if (accuracy != nullptr) {
      text += std::string(metric ? "" : split + " ") + "accuracy " + change_phrase(run, *accuracy, "accuracy");
    }
    text += ". ";
  }
  const Curve* task = curve_of(run, split + "/perplexity");
  const Curve* untouched = curve_of(run, "untouched/perplexity");
  if (task != nullptr) text += "Perplexity on the " + split + " text went " + perplexity_phrase(run, *task);
  if (task != nullptr && untouched != nullptr) text += "; on untouched text ";
  if (task == nullptr && untouched != nullptr) text += "Perplexity on untouched text went ";
  if (untouched != nullptr) text += perplexity_phrase(run, *untouched);
  if (task != nullptr || untouched != nullptr) text += ". ";
  if (text.empty()) text = "No evaluations were recorded. ";
  return text;
}

std::string circuit_sentences(const RunData& run) {
  const int64_t parameters = architecture_int(run, "parameters");
  std::string text;
  if (run.discoveries.empty()) {
    text = "No circuit discoveries were recorded";
    if (parameters > 0 && !run.trainable_parameters.empty()) {
      text += "; " + strong(format_percent(run.trainable_parameters.back().value / static_cast<double>(parameters))) +
              " of the parameters were trainable";
    }
    return text + ". ";
  }
  const DiscoveryRow& first = run.discoveries.front();
  const DiscoveryRow& last = run.discoveries.back();
  double share = 0;
  for (const DiscoveryRow& row : run.discoveries) share += row.trainable_share;
  share /= static_cast<double>(run.discoveries.size());
  const bool many = run.discoveries.size() > 1;
  text +=
      fmt::format("The circuit was discovered {}; ", many ? format_count(run.discoveries.size()) + " times" : "once");
  text += "its slices held " + strong(format_percent(share)) + " of the parameters" + (many ? " on average" : "");
  if (run.touched_parameters && parameters > 0) {
    text += ", and " +
            strong(format_percent(static_cast<double>(*run.touched_parameters) / static_cast<double>(parameters))) +
            " were ever trained";
  }
  text += fmt::format(". {} had {} edges between {} nodes", many ? "The first" : "It", format_count(first.n_edges),
                      format_count(first.n_nodes));
  if (many) {
    text += fmt::format(", the last {} between {}", format_count(last.n_edges), format_count(last.n_nodes));
    if (last.jaccard_edges_first) {
      text += "; their edges overlap with a Jaccard index of " + strong(format_value(*last.jaccard_edges_first));
    }
  }
  return text + ". ";
}

// dev, test, then the others by name; in each the metric, accuracy, perplexity, then the others.
std::tuple<size_t, std::string, size_t> table_order(const EvaluationName& name) {
  const auto rank = [](const std::vector<std::string>& order, const std::string& word) {
    return static_cast<size_t>(std::find(order.begin(), order.end(), word) - order.begin());
  };
  return {rank({"dev", "test"}, name.split), name.split, rank({"metric", "accuracy", "perplexity"}, name.measure)};
}

std::string state_phrase(const RunData& run) {
  const std::string status = meta(run, "status");
  if (status == "running") return " The run had not finished when this page was written.";
  if (status == "stopped") return " The run was stopped before its end.";
  return "";
}

}  // namespace

int64_t best_step(const RunData& run) {
  const auto recorded = run.summary.find("best_step");
  if (recorded != run.summary.end() && recorded->is_number_integer()) return recorded->get<int64_t>();
  const Curve* metric = curve_of(run, "dev/metric");
  if (metric == nullptr) return -1;
  const Point* best = nullptr;
  for (const Point& point : *metric) {
    if (!std::isnan(point.value) && (best == nullptr || point.value > best->value)) best = &point;
  }
  return best == nullptr ? -1 : static_cast<int64_t>(best->step);
}

std::string overview_html(const RunData& run) {
  std::string text = "This run changed " + model_phrase(run) + " by " + method_phrase(meta(run, "method")) + ": " +
                     format_count(run.steps) + (run.steps == 1 ? " step" : " steps");
  if (run.target_tokens > 0) text += " over " + format_large(run.target_tokens) + " target tokens";
  if (run.seconds > 0) text += " in " + format_duration(run.seconds);
  text += ". ";
  if (run.steps == 0) text += "No steps were recorded yet. ";
  text += behaviour_sentences(run) + circuit_sentences(run);
  return "<p class=\"overview\">" + text + state_phrase(run) + "</p>";
}

std::string evaluation_table_html(const RunData& run) {
  if (run.evaluations.empty()) return "";
  const int64_t best = best_step(run);
  using Row = std::pair<EvaluationName, const Curve*>;
  std::vector<Row> evaluations;
  for (const auto& [name, curve] : run.evaluations) {
    if (!curve.empty()) evaluations.emplace_back(parse_evaluation_name(name), &curve);
  }
  std::stable_sort(evaluations.begin(), evaluations.end(),
                   [](const Row& a, const Row& b) { return table_order(a.first) < table_order(b.first); });
  std::string rows;
  for (const auto& [name, curve] : evaluations) {
    std::string label = escape_html(name.split + " " + name.measure);
    if (!name.detail.empty()) label += " <code>" + escape_html(name.detail) + "</code>";
    const auto at_best = value_at(*curve, static_cast<double>(best));
    const std::string whole = name.split + " " + name.measure + (name.detail.empty() ? "" : " " + name.detail);
    rows += "<tr>" + row_heading(whole, label);
    // "ability/blimp/accuracy": the file stands in the measure's place.
    const std::string& measure = name.split == "ability" ? name.detail : name.measure;
    const std::optional<double> values[] = {curve->front().value, at_best, curve->back().value};
    for (const auto& value : values) {
      rows += value ? cell_html(sort_value(*value), formatted(measure, *value)) : cell_html("", "–");
    }
    rows += "</tr>\n";
  }
  const std::string best_title = best >= 0 ? "best (step " + format_count(best) + ")" : "best";
  std::string head;
  for (const std::string& title : {std::string("evaluation"), std::string("before"), best_title, std::string("last")}) {
    head += sort_heading(title);
  }
  const std::string name = " data-name=\"evaluations of " + escape_html(run.name) + "\"";
  return table_html({"", "sortable", name, head, rows}) + "\n";
}

}  // namespace circuit
