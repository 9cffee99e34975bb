// The evaluation of a circuit of spans for machines and for people.
#include <fmt/format.h>

#include "core/table.h"
#include "evaluation/estimate_text.h"
#include "evaluation/evaluation_text.h"
#include "evaluation/span_circuit.h"

namespace circuit {

Json span_circuit_json(const SpanEvaluation& e, const std::string& metric, const std::string& ablation) {
  Json json = {{"metric", metric},         {"ablation", ablation}, {"examples", e.examples}, {"spans", e.names},
               {"pairs_scored", e.scored}, {"pairs", e.pairs},     {"edges", e.edges}};
  put_runs(e.full, e.empty, e.circuit, &json);
  json["faithfulness"] = nullptr;
  if (!e.faithfulness) {
    json["not_defined"] = why_undefined(e.range);
    return json;
  }
  json["faithfulness"] = e.faithfulness->value;
  json["faithfulness_interval"] = {e.faithfulness->interval.low, e.faithfulness->interval.high};
  json["completeness_gap"] = estimate_json(*e.completeness_gap);
  json["everywhere"] = {{"faithfulness", estimate_json(*e.everywhere)},
                        {"difference", estimate_json(*e.less_than_everywhere)}};
  if (e.curve.empty()) return json;
  json["curve"] = Json::array();
  for (const SpanPoint& p : e.curve) {
    json["curve"].push_back(
        {{"share", p.share}, {"pairs", p.pairs}, {"edges", p.edges}, {"faithfulness", estimate_json(p.faithfulness)}});
  }
  return json;
}

std::string span_circuit_text(const Json& json) {
  std::string text =
      fmt::format("{:<18} {} of {} with a score, of {} edges; spans", "pairs", json["pairs"].get<int64_t>(),
                  json["pairs_scored"].get<int64_t>(), json["edges"].get<int64_t>());
  for (const Json& name : json["spans"]) text += " " + name.get<std::string>();
  text += "\n";
  const auto line = [&](const std::string& name, const Json& value) {
    text += fmt::format("{:<18} {}\n", name, interval_text(value));
  };
  const std::string metric = json["metric"].get<std::string>();
  for (const char* name : {"full", "empty", "circuit"}) line(metric + ", " + name, json["intervals"][name]);
  line("KL, circuit", json["kl"]["circuit"]);
  if (json["faithfulness"].is_null()) return text + fmt::format("{:<18} not defined\n", "faithfulness");
  const Json& interval = json["faithfulness_interval"];
  line("faithfulness", {{"value", json["faithfulness"]}, {"low", interval[0]}, {"high", interval[1]}});
  line("completeness_gap", json["completeness_gap"]);
  line("edges everywhere", json["everywhere"]["faithfulness"]);
  line("pairs − edges", json["everywhere"]["difference"]);
  if (!json.contains("curve")) return text;
  std::vector<std::vector<std::string>> rows{{"share of pairs", "pairs", "edges", "f", "low", "high"}};
  for (const Json& p : json["curve"]) {
    const Json& f = p["faithfulness"];
    const auto number = [&](const char* key) { return f.is_null() ? "" : fmt::format("{:.3f}", f[key].get<double>()); };
    rows.push_back({fmt::format("{}", p["share"].get<double>()), std::to_string(p["pairs"].get<int64_t>()),
                    std::to_string(p["edges"].get<int64_t>()), number("value"), number("low"), number("high")});
  }
  return text + format_table(rows);
}

}  // namespace circuit
