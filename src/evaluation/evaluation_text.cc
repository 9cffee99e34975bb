#include "evaluation/evaluation_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/table.h"
#include "evaluation/estimate_text.h"
#include "evaluation/faithfulness.h"

namespace circuit {
namespace {

Json to_json(const std::vector<CurvePoint>& points) {
  Json list = Json::array();
  for (const CurvePoint& p : points) {
    list.push_back({{"share", p.share},
                    {"edges", p.edges},
                    {"edges_pruned", p.edges_run},
                    {"faithfulness", estimate_json(p.faithfulness)}});
  }
  return list;
}

Json to_json(const CircuitEvaluation& e) {
  Json json = {
      {"examples", e.examples}, {"graph_edges", e.graph_edges}, {"edges", e.edges}, {"edges_pruned", e.edges_run}};
  put_runs(e.full, e.empty, e.circuit, &json);
  json["faithfulness"] = nullptr;
  if (!e.faithfulness) {
    json["not_defined"] = why_undefined(e);
    return json;
  }
  json["faithfulness"] = e.faithfulness->value;
  json["faithfulness_interval"] = {e.faithfulness->interval.low, e.faithfulness->interval.high};
  json["completeness_gap"] = estimate_json(*e.completeness_gap);
  if (e.minimality) {
    json["minimality"] = estimate_json(e.minimality->share);
    json["minimality_sample"] = e.minimality->sample;
  }
  if (!e.curve) return json;
  json["cpr"] = estimate_json(e.curve->cpr);
  json["cmd"] = estimate_json(e.curve->cmd);
  json["curve"] = {{"signed", to_json(e.curve->by_score)}, {"magnitude", to_json(e.curve->by_magnitude)}};
  return json;
}

Json to_json(const std::vector<Baseline>& baselines) {
  // Where faithfulness is not defined, what is made of it is null.
  const auto estimate = [](const std::optional<Estimate>& e) { return e ? estimate_json(*e) : Json(nullptr); };
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  Json list = Json::array();
  for (const Baseline& b : baselines) {
    Json draws = Json::array();
    for (const BaselineDraw& d : b.draws) {
      draws.push_back({{"edges", d.edges},
                       {"edges_pruned", d.edges_run},
                       {"metric", d.metric},
                       {"faithfulness", number(d.faithfulness)},
                       {"completeness_gap", number(d.completeness_gap)}});
    }
    list.push_back({{"name", b.name},
                    {"metric", estimate_json(b.metric)},
                    {"faithfulness", estimate(b.faithfulness)},
                    {"completeness_gap", estimate(b.completeness_gap)},
                    {"difference", estimate(b.difference)},
                    {"as_faithful", number(b.as_faithful)},
                    {"draws", draws}});
  }
  return list;
}

std::string baselines_text(const Json& baselines) {
  const auto edges_run = [](const Json& draws) {
    std::vector<int64_t> runs;
    for (const Json& draw : draws) runs.push_back(draw["edges_pruned"].get<int64_t>());
    const auto [least, most] = std::minmax_element(runs.begin(), runs.end());
    return *least == *most ? std::to_string(*least) : fmt::format("{} to {}", *least, *most);
  };
  const auto as_faithful = [](const Json& share, size_t draws) -> std::string {
    if (share.is_null()) return "not defined";
    return fmt::format("{:.0f} of {}", share.get<double>() * static_cast<double>(draws), draws);
  };
  std::vector<std::vector<std::string>> rows{
      {"baseline", "edges run", "metric", "faithfulness", "completeness_gap", "circuit minus it", "as faithful"}};
  for (const Json& b : baselines) {
    const Json& draws = b["draws"];
    rows.push_back({b["name"].get<std::string>(), edges_run(draws), short_estimate(b["metric"]),
                    short_estimate(b["faithfulness"]), short_estimate(b["completeness_gap"]),
                    short_estimate(b["difference"]), as_faithful(b["as_faithful"], draws.size())});
  }
  return format_table(rows);
}

}  // namespace

void put_runs(const RunMeans& full, const RunMeans& empty, const RunMeans& circuit, Json* json) {
  for (const auto& [name, means] : {std::pair("full", &full), {"empty", &empty}, {"circuit", &circuit}}) {
    (*json)[name] = number_or_null(means->metric.value);
    (*json)["intervals"][name] = estimate_json(means->metric);
    (*json)["accuracy"][name] = estimate_json(means->accuracy);
    (*json)["kl"][name] = estimate_json(means->kl);
  }
}

std::string why_undefined(const MetricRange& range) {
  const std::string found = fmt::format("m(full) - m(empty) is {:.3g}, interval {:.3g} to {:.3g}", range.value,
                                        range.interval.low, range.interval.high);
  const std::string what = "faithfulness and what is made of it are not defined.";
  if (std::fabs(range.value) <= range.rounding) {
    return fmt::format("{}, and up to {:.2g} is rounding: the ablation does not move the metric, so {}", found,
                       range.rounding, what);
  }
  return fmt::format("{}: the ablation does not move the metric for certain, so {}", found, what);
}

std::string why_undefined(const CircuitEvaluation& evaluation) { return why_undefined(evaluation.range); }

Json evaluation_json(const CircuitEvaluation& evaluation, const std::string& metric, const std::string& ablation,
                     const std::optional<Recovery>& against) {
  Json json = to_json(evaluation);
  if (!evaluation.baselines.empty()) json["baselines"] = to_json(evaluation.baselines);
  json["metric"] = metric;
  json["ablation"] = ablation;
  if (!against) return json;
  // Of no edges, or against all of them, one or the other has no value.
  const auto number = [](double value) { return std::isnan(value) ? Json(nullptr) : Json(value); };
  json["against"] = {{"precision", number(against->precision)},
                     {"recall", number(against->recall)},
                     {"auroc", number(against->auroc)}};
  return json;
}

std::string evaluation_text(const Json& json) {
  std::string text;
  text += fmt::format("{:<18} {} of {} edges, {} after pruning\n", "circuit", json["edges"].get<int64_t>(),
                      json["graph_edges"].get<int64_t>(), json["edges_pruned"].get<int64_t>());
  const std::string metric = json["metric"].get<std::string>();
  for (const char* name : {"full", "empty", "circuit"}) {
    text += fmt::format("{:<18} {}\n", metric + ", " + name, interval_text(json["intervals"][name]));
  }
  if (!json["accuracy"]["circuit"].is_null()) {
    text += fmt::format("{:<18} {}\n", "accuracy, full", interval_text(json["accuracy"]["full"]));
    text += fmt::format("{:<18} {}\n", "accuracy, circuit", interval_text(json["accuracy"]["circuit"]));
  }
  text += fmt::format("{:<18} {}\n", "KL, circuit", interval_text(json["kl"]["circuit"]));
  if (json.contains("against")) {
    const Json& a = json["against"];
    const auto number = [&](const char* key) {
      return a[key].is_null() ? "not defined" : fmt::format("{:.3f}", a[key].get<double>());
    };
    text += fmt::format("{:<18} precision {}, recall {}, AUROC {}\n", "against", number("precision"), number("recall"),
                        number("auroc"));
  }
  const std::string baselines = json.contains("baselines") ? baselines_text(json["baselines"]) : "";
  if (json["faithfulness"].is_null()) return text + fmt::format("{:<18} not defined\n", "faithfulness") + baselines;
  text += fmt::format("{:<18} {:.4f}  ({:.4f} to {:.4f})\n", "faithfulness", json["faithfulness"].get<double>(),
                      json["faithfulness_interval"][0].get<double>(), json["faithfulness_interval"][1].get<double>());
  for (const char* name : {"completeness_gap", "minimality", "cpr", "cmd"}) {
    if (json.contains(name)) text += fmt::format("{:<18} {}\n", name, interval_text(json[name]));
  }
  text += baselines;
  if (!json.contains("curve")) return text;
  std::vector<std::vector<std::string>> rows{{"share of edges", "edges", "signed: run", "f", "|S|: run", "f"}};
  const auto f_of = [](const Json& point) {
    return point["faithfulness"].is_null() ? "" : fmt::format("{:.3f}", point["faithfulness"]["value"].get<double>());
  };
  for (size_t i = 0; i < curve_shares().size(); ++i) {
    const Json& s = json["curve"]["signed"][i];
    const Json& m = json["curve"]["magnitude"][i];
    rows.push_back({fmt::format("{}", s["share"].get<double>()), std::to_string(m["edges"].get<int64_t>()),
                    std::to_string(s["edges_pruned"].get<int64_t>()), f_of(s),
                    std::to_string(m["edges_pruned"].get<int64_t>()), f_of(m)});
  }
  text += fmt::format("{}", format_table(rows));
  return text;
}

}  // namespace circuit
