// A set of neurons' evaluation for machines and for people.
#include <fmt/format.h>

#include <utility>

#include "core/table.h"
#include "evaluation/estimate_text.h"
#include "evaluation/evaluation_text.h"
#include "evaluation/neuron_evaluation.h"

namespace circuit {
namespace {

Json neuron_points_json(const std::vector<NeuronPoint>& points) {
  Json list = Json::array();
  for (const NeuronPoint& p : points) {
    list.push_back({{"share", p.share}, {"neurons", p.neurons}, {"faithfulness", estimate_json(p.faithfulness)}});
  }
  return list;
}

std::string neuron_curve_text(const Json& curve) {
  const bool random = curve.contains("random");
  std::vector<std::vector<std::string>> rows{{"share of neurons", "neurons", "|S|: f", "low", "high", "signed: f"}};
  if (random) rows[0].emplace_back("random: f");
  const auto number = [](const Json& point, const char* key) {
    const Json& f = point["faithfulness"];
    return f.is_null() ? std::string() : fmt::format("{:.3f}", f[key].get<double>());
  };
  for (size_t i = 0; i < curve["magnitude"].size(); ++i) {
    const Json& m = curve["magnitude"][i];
    rows.push_back({fmt::format("{}", m["share"].get<double>()), std::to_string(m["neurons"].get<int64_t>()),
                    number(m, "value"), number(m, "low"), number(m, "high"), number(curve["signed"][i], "value")});
    if (random) rows.back().push_back(number(curve["random"][i], "value"));
  }
  return format_table(rows);
}

}  // namespace

Json neurons_json(const NeuronEvaluation& e, const std::string& metric, const std::string& ablation) {
  int64_t kept = 0;
  for (const int64_t n : e.by_layer) kept += n;
  Json json = {{"metric", metric},     {"ablation", ablation}, {"examples", e.examples},
               {"neurons_all", e.all}, {"neurons", kept},      {"neurons_by_layer", e.by_layer}};
  put_runs(e.full, e.empty, e.circuit, &json);
  json["faithfulness"] = nullptr;
  if (!e.faithfulness) {
    json["not_defined"] = why_undefined(e.range);
    return json;
  }
  json["faithfulness"] = e.faithfulness->value;
  json["faithfulness_interval"] = {e.faithfulness->interval.low, e.faithfulness->interval.high};
  json["completeness_gap"] = estimate_json(*e.completeness_gap);
  if (e.random) {
    json["random"] = {{"draws", e.random->draws},
                      {"faithfulness", estimate_json(e.random->faithfulness)},
                      {"lowest", e.random->lowest},
                      {"highest", e.random->highest},
                      {"above", estimate_json(e.random->above)}};
  }
  if (!e.curve) return json;
  json["cpr"] = estimate_json(e.curve->cpr);
  json["cmd"] = estimate_json(e.curve->cmd);
  json["curve"] = {{"signed", neuron_points_json(e.curve->by_score)},
                   {"magnitude", neuron_points_json(e.curve->by_magnitude)}};
  if (!e.curve->random.empty()) json["curve"]["random"] = neuron_points_json(e.curve->random);
  return json;
}

std::string neurons_text(const Json& json) {
  std::string text = fmt::format("{:<18} {} of {} MLP channels; by layer", "neurons", json["neurons"].get<int64_t>(),
                                 json["neurons_all"].get<int64_t>());
  for (const Json& n : json["neurons_by_layer"]) text += fmt::format(" {}", n.get<int64_t>());
  text += "\n";
  const auto line = [&](const std::string& name, const Json& value) {
    text += fmt::format("{:<18} {}\n", name, interval_text(value));
  };
  const std::string metric = json["metric"].get<std::string>();
  for (const char* name : {"full", "empty", "circuit"}) line(metric + ", " + name, json["intervals"][name]);
  if (!json["accuracy"]["circuit"].is_null()) {
    line("accuracy, full", json["accuracy"]["full"]);
    line("accuracy, circuit", json["accuracy"]["circuit"]);
  }
  line("KL, circuit", json["kl"]["circuit"]);
  if (json["faithfulness"].is_null()) return text + fmt::format("{:<18} not defined\n", "faithfulness");
  const Json& interval = json["faithfulness_interval"];
  line("faithfulness", {{"value", json["faithfulness"]}, {"low", interval[0]}, {"high", interval[1]}});
  line("completeness_gap", json["completeness_gap"]);
  if (json.contains("random")) {
    const Json& random = json["random"];
    line("random neurons", random["faithfulness"]);
    text +=
        fmt::format("{:<18} {} draws of as many neurons of every layer, {:.4f} to {:.4f}\n", "",
                    random["draws"].get<int64_t>(), random["lowest"].get<double>(), random["highest"].get<double>());
    line("above random", random["above"]);
  }
  if (!json.contains("curve")) return text;
  for (const char* name : {"cpr", "cmd"}) line(name, json[name]);
  return text + neuron_curve_text(json["curve"]);
}

}  // namespace circuit
