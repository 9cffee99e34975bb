#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/log.h"
#include "core/names.h"
#include "core/progress.h"
#include "core/table.h"
#include "evaluation/evaluate_circuit.h"
#include "evaluation/faithfulness.h"
#include "evaluation/recovery.h"
#include "graph/circuit_file.h"
#include "io/files.h"
#include "io/outputs.h"
#include "report/evaluation_page.h"
#include "scoring/memory.h"
#include "scoring/scored_records.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string model, data, circuit, against, ablation_data, page;
  std::string metric = "logit_diff";
  std::string ablation = "counterfactual";
  std::string bos = "auto";
  int64_t batch = 16;
  int64_t max_length = 0;
  int64_t redundancy = 200;
  bool no_prune = false;
  bool no_curve = false;
  bool negate = false;
};

// A number with its interval; null where it is not defined.
Json to_json(const Estimate& e) {
  if (std::isnan(e.value)) return nullptr;
  return {{"value", e.value}, {"low", e.interval.low}, {"high", e.interval.high}};
}

Json to_json(const std::vector<CurvePoint>& points) {
  Json list = Json::array();
  for (const CurvePoint& p : points) {
    list.push_back({{"share", p.share},
                    {"edges", p.edges},
                    {"edges_pruned", p.edges_run},
                    {"faithfulness", to_json(p.faithfulness)}});
  }
  return list;
}

std::string why_undefined(const CircuitEvaluation& e) {
  const MetricRange& range = e.range;
  const std::string found = fmt::format("m(full) - m(empty) is {:.3g}, interval {:.3g} to {:.3g}", range.value,
                                        range.interval.low, range.interval.high);
  const std::string what = "faithfulness and what is made of it are not defined.";
  if (std::fabs(range.value) <= range.rounding) {
    return fmt::format("{}, and up to {:.2g} is rounding: the ablation does not move the metric, so {}", found,
                       range.rounding, what);
  }
  return fmt::format("{}: the ablation does not move the metric for certain, so {}", found, what);
}

Json to_json(const CircuitEvaluation& e) {
  Json json = {{"examples", e.examples},           {"graph_edges", e.graph_edges}, {"edges", e.edges},
               {"edges_pruned", e.edges_run},      {"full", e.full.metric.value},  {"empty", e.empty.metric.value},
               {"circuit", e.circuit.metric.value}};
  for (const auto& [name, means] : {std::pair("full", &e.full), {"empty", &e.empty}, {"circuit", &e.circuit}}) {
    json["intervals"][name] = to_json(means->metric);
    json["accuracy"][name] = to_json(means->accuracy);
    json["kl"][name] = to_json(means->kl);
  }
  json["faithfulness"] = nullptr;
  if (!e.faithfulness) {
    json["not_defined"] = why_undefined(e);
    return json;
  }
  json["faithfulness"] = e.faithfulness->value;
  json["faithfulness_interval"] = {e.faithfulness->interval.low, e.faithfulness->interval.high};
  json["completeness_gap"] = to_json(*e.completeness_gap);
  if (e.minimality) {
    json["minimality"] = to_json(e.minimality->share);
    json["minimality_sample"] = e.minimality->sample;
  }
  if (!e.curve) return json;
  json["cpr"] = to_json(e.curve->cpr);
  json["cmd"] = to_json(e.curve->cmd);
  json["curve"] = {{"signed", to_json(e.curve->by_score)}, {"magnitude", to_json(e.curve->by_magnitude)}};
  return json;
}

std::string with_interval(const Json& value) {
  if (value.is_null()) return "not defined";
  return fmt::format("{:.4f}  ({:.4f} to {:.4f})", value["value"].get<double>(), value["low"].get<double>(),
                     value["high"].get<double>());
}

void print_table(const Json& json) {
  fmt::print("{:<18} {} of {} edges, {} after pruning\n", "circuit", json["edges"].get<int64_t>(),
             json["graph_edges"].get<int64_t>(), json["edges_pruned"].get<int64_t>());
  const std::string metric = json["metric"].get<std::string>();
  for (const char* name : {"full", "empty", "circuit"}) {
    fmt::print("{:<18} {}\n", metric + ", " + name, with_interval(json["intervals"][name]));
  }
  if (!json["accuracy"]["circuit"].is_null()) {
    fmt::print("{:<18} {}\n", "accuracy, full", with_interval(json["accuracy"]["full"]));
    fmt::print("{:<18} {}\n", "accuracy, circuit", with_interval(json["accuracy"]["circuit"]));
  }
  fmt::print("{:<18} {}\n", "KL, circuit", with_interval(json["kl"]["circuit"]));
  if (json.contains("against")) {
    const Json& a = json["against"];
    const auto number = [&](const char* key) {
      return a[key].is_null() ? "not defined" : fmt::format("{:.3f}", a[key].get<double>());
    };
    fmt::print("{:<18} precision {}, recall {}, AUROC {}\n", "against", number("precision"), number("recall"),
               number("auroc"));
  }
  if (json["faithfulness"].is_null()) {
    fmt::print("{:<18} not defined\n", "faithfulness");
    return;
  }
  fmt::print("{:<18} {:.4f}  ({:.4f} to {:.4f})\n", "faithfulness", json["faithfulness"].get<double>(),
             json["faithfulness_interval"][0].get<double>(), json["faithfulness_interval"][1].get<double>());
  for (const char* name : {"completeness_gap", "minimality", "cpr", "cmd"}) {
    if (json.contains(name)) fmt::print("{:<18} {}\n", name, with_interval(json[name]));
  }
  if (!json.contains("curve")) return;
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
  fmt::print("{}", format_table(rows));
}

int run(const Options& o) {
  apply_common(o.common);
  check_outputs({o.model, o.data, o.ablation_data, o.circuit, o.against}, {{"--page", o.page}});
  ScoreSpec spec;
  spec.metric = find_metric(o.metric);
  spec.ablation = parse_ablation(o.ablation);
  const OpenModel open(o.model, o.common);
  CircuitFile as_written = read_circuit(o.circuit);
  if (o.negate) {
    for (float& score : as_written.scores.values) score = -score;
  }
  const Graph graph = as_written.shape.graph_of(open.model.architecture(), o.circuit);
  const CircuitFile file = on_graph(std::move(as_written), graph, o.circuit);
  const ScoredRecords records(o.data, o.ablation_data, open, {o.bos, o.max_length}, &spec);
  spec.batch = batch_in_memory(plan_circuits(open.model, graph, longest_of(records.examples)), o.batch, o.common);
  EvaluationSpec what;
  what.pruning = o.no_prune ? Pruning::kKeep : Pruning::kPrune;
  // Sizes are cut out of a ranking, which a file without scores does not have.
  const std::vector<float>& scores = file.scores.values;
  const bool scored = std::any_of(scores.begin(), scores.end(), [](float s) { return s != 0; });
  if (!scored && !o.no_curve) log_info("{}: every score is zero: no curve, CPR or CMD.", o.circuit);
  what.curve = !o.no_curve && scored;
  what.redundancy = o.redundancy;
  const SliceTable slices(graph, open.model);
  Rng rng = Rng(o.common.seed).split("evaluate");
  Progress progress("evaluate", static_cast<int64_t>(records.examples.size()));
  const CircuitEvaluation evaluation =
      evaluate_circuit(open.model, {graph, file.scores, slices}, file.circuit, records.examples, spec, what, rng,
                       [&](int64_t done, int64_t) { progress.update(done); });
  progress.clear();
  if (!evaluation.faithfulness) log_warning("{}", why_undefined(evaluation));
  Json json = to_json(evaluation);
  json["metric"] = o.metric;
  json["ablation"] = o.ablation;
  std::optional<Recovery> against;
  if (!o.against.empty()) {
    CircuitFile reference = read_circuit(o.against);
    reference.shape.graph_of(open.model.architecture(), o.against);
    against = recovery(file.circuit, file.scores, on_graph(std::move(reference), graph, o.against).circuit);
    // Of no edges, or against all of them, one or the other has no value.
    const auto number = [](double value) { return std::isnan(value) ? Json(nullptr) : Json(value); };
    json["against"] = {{"precision", number(against->precision)},
                       {"recall", number(against->recall)},
                       {"auroc", number(against->auroc)}};
  }
  if (!o.page.empty()) {
    const EvaluationNames names{o.model, o.data, o.circuit, o.metric, o.ablation, o.against};
    write_file(o.page, render_evaluation(evaluation, what, names, against));
    log_info("page written to {}.", o.page);
  }
  if (o.common.json) {
    fmt::print("{}\n", json.dump(1));
  } else {
    print_table(json);
  }
  return 0;
}

}  // namespace

void add_evaluate(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("evaluate", "run a circuit alone: faithfulness, completeness, minimality, CPR, CMD");
  command->footer(
      "Example:\n  circuit evaluate examples/books-4l examples/agreement/dev.jsonl --ablation mean "
      "--circuit circuit.json --page circuit.html");
  command->add_option("MODEL", o->model, "Hugging Face model directory")->required();
  command->add_option("DATA", o->data, "contrast records (JSON Lines)")->required();
  command->add_option("--circuit", o->circuit, "circuit file, as discover writes it")->required();
  command->add_option("--metric", o->metric, names_of(metrics()));
  command->add_option("--ablation", o->ablation, names_of(ablations()));
  command->add_option("--ablation-data", o->ablation_data,
                      "records whose mean the mean ablations take (default: DATA)");
  command->add_option("--against", o->against, "reference circuit: precision, recall and AUROC of this one");
  command->add_option("--redundancy", o->redundancy, "edges removed one by one for minimality (0: none)")
      ->check(at_least(0));
  command->add_option("--batch", o->batch, "records in one forward; changes no result")->check(at_least(1));
  command->add_option("--max-length", o->max_length, "tokens kept of a text")->check(at_least(1));
  command->add_option("--bos", o->bos, "begin token")->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_flag("--negate", o->negate,
                    "change the sign of the file's scores: of tools where negative means support");
  command->add_flag("--no-prune", o->no_prune, "keep edges on no path from input to logits");
  CLI::Option* no_curve = command->add_flag("--no-curve", o->no_curve, "this circuit only: no CPR and CMD");
  command->add_option("--page", o->page, "also write one HTML page: what the circuit carries, its curve, a table")
      ->excludes(no_curve);
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
