#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>

#include "cli/command.h"
#include "core/names.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/table.h"
#include "evaluation/circuits.h"
#include "graph/circuit_file.h"
#include "selection/prune.h"
#include "selection/selector.h"

namespace circuit {
namespace {

// An edge is redundant when m moves by less than this share of m(full) − m(∅) without it (method.md §6).
constexpr double kRedundantShare = 0.01;

struct Options {
  CommonOptions common;
  std::string model, data, circuit, against, ablation_data;
  std::string metric = "logit_diff";
  std::string ablation = "counterfactual";
  std::string bos = "auto";
  int64_t batch = 16;
  int64_t max_length = 0;
  int64_t redundancy = 200;
  bool no_prune = false;
  bool no_curve = false;
};

// One point of a curve.
struct Size {
  double share;
  Circuit nominal, run;  // as selected, and as run (pruned)
};

std::vector<Size> sizes(const Graph& graph, const EdgeScores& scores, const SliceTable& slices, bool signed_scores,
                        bool pruned) {
  std::vector<Size> all;
  Rng unused(0);
  for (const double share : curve_shares()) {
    SelectionSpec spec;
    spec.n = static_cast<int64_t>(share * static_cast<double>(graph.n_edges()));
    spec.signed_scores = signed_scores;
    const Circuit nominal = spec.n == 0 ? Circuit{} : top_edges_selector().select({graph, scores, slices}, spec, unused);
    // Every edge, whether it has a score or not: the whole model ends the curve.
    Size size{share, nominal, pruned ? prune(graph, nominal) : nominal};
    if (share == 1) {
      size.nominal.edges.resize(graph.n_edges());
      for (int64_t e = 0; e < graph.n_edges(); ++e) size.nominal.edges[e] = e;
      size.run = size.nominal;
    }
    all.push_back(std::move(size));
  }
  return all;
}

Circuit complement(const Graph& graph, const Circuit& circuit) {
  Circuit others;
  for (int64_t e = 0; e < graph.n_edges(); ++e) {
    if (!std::binary_search(circuit.edges.begin(), circuit.edges.end(), e)) others.edges.push_back(e);
  }
  return others;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

// A number with its interval; null where it is not defined.
Json to_json(double value, const Interval& interval) {
  if (std::isnan(value)) return nullptr;
  return {{"value", value}, {"low", interval.low}, {"high", interval.high}};
}

Interval interval_of(const std::vector<double>& values, Rng& rng) {
  return bootstrap(static_cast<int64_t>(values.size()), rng,
                   [&](const std::vector<int64_t>& sample) { return mean_of(values, sample); });
}

// Which circuits are run, and where each stands among them.
struct Plan {
  std::vector<Circuit> circuits;
  size_t full, empty, circuit, complement;
  size_t signed_curve, magnitude_curve;  // the first of curve_shares() each
  std::vector<size_t> without;           // the circuit less one sampled edge
  size_t add(Circuit c) {
    circuits.push_back(std::move(c));
    return circuits.size() - 1;
  }
};

class CircuitEvaluation {
 public:
  CircuitEvaluation(const Options& o, const Graph& graph, const CircuitFile& file, const Model& model)
      : o_(o), graph_(graph), file_(file), rng_(Rng(o.common.seed).split("evaluate")) {
    circuit_ = as_run(file.circuit);
    Circuit all = complement(graph, {});
    plan_.full = plan_.add(all);
    plan_.empty = plan_.add({});
    plan_.circuit = plan_.add(circuit_);
    plan_.complement = plan_.add(as_run(complement(graph, file.circuit)));
    if (!o.no_curve) {
      const SliceTable slices(graph, model);
      signed_ = sizes(graph, file.scores, slices, true, !o.no_prune);
      magnitude_ = sizes(graph, file.scores, slices, false, !o.no_prune);
      plan_.signed_curve = plan_.circuits.size();
      for (const Size& s : signed_) plan_.add(s.run);
      plan_.magnitude_curve = plan_.circuits.size();
      for (const Size& s : magnitude_) plan_.add(s.run);
    }
    sample_edges();
  }

  void run(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec) {
    Progress progress("evaluate", static_cast<int64_t>(examples.size()));
    outcomes_ = run_circuits(model, graph_, examples, spec, plan_.circuits,
                             [&](int64_t done, int64_t) { progress.update(done); });
    progress.clear();
    std::vector<double> effect(examples.size());
    for (size_t i = 0; i < effect.size(); ++i) effect[i] = full().metric[i] - empty().metric[i];
    range_ = interval_of(effect, rng_);
    defined_ = !range_.contains(0);
    if (!defined_) {
      log_warning("m(full) - m(empty) is {:.3g}, interval {:.3g} to {:.3g}: the ablation does not move the metric for "
                  "certain, so faithfulness and what is made of it are not defined.",
                  mean(effect), range_.low, range_.high);
    }
  }

  Json json() {
    Json json = {{"metric", o_.metric},
                 {"ablation", o_.ablation},
                 {"examples", full().metric.size()},
                 {"graph_edges", graph_.n_edges()},
                 {"edges", file_.circuit.edges.size()},
                 {"edges_pruned", circuit_.edges.size()},
                 {"full", mean(full().metric)},
                 {"empty", mean(empty().metric)},
                 {"circuit", mean(outcomes_[plan_.circuit].metric)}};
    for (const auto& [name, index] : {std::pair("full", plan_.full), {"empty", plan_.empty}, {"circuit", plan_.circuit}}) {
      const CircuitOutcome& o = outcomes_[index];
      json["intervals"][name] = to_json(mean(o.metric), interval_of(o.metric, rng_));
      json["accuracy"][name] = to_json(mean(o.accuracy), interval_of(o.accuracy, rng_));
      json["kl"][name] = to_json(mean(o.kl), interval_of(o.kl, rng_));
    }
    if (!defined_) {
      json["faithfulness"] = nullptr;
      return json;
    }
    const Faithfulness f = of(plan_.circuit);
    json["faithfulness"] = f.value;
    json["faithfulness_interval"] = {f.interval.low, f.interval.high};
    const Faithfulness gap = of(plan_.complement);
    json["completeness_gap"] = to_json(gap.value, gap.interval);
    add_redundancy(&json);
    if (!o_.no_curve) add_curves(&json);
    return json;
  }

 private:
  // Nodes on no path from input to logits stay at their ablated value (method.md §6), unless --no-prune.
  Circuit as_run(const Circuit& circuit) const { return o_.no_prune ? circuit : prune(graph_, circuit); }
  const CircuitOutcome& full() const { return outcomes_[plan_.full]; }
  const CircuitOutcome& empty() const { return outcomes_[plan_.empty]; }
  Faithfulness of(size_t index) { return faithfulness(outcomes_[index], full(), empty(), rng_); }

  void sample_edges() {
    const auto n = static_cast<int64_t>(circuit_.edges.size());
    std::vector<int64_t> order = permutation(n, rng_);
    order.resize(std::min<size_t>(order.size(), o_.redundancy));
    for (const int64_t i : order) {
      Circuit less = circuit_;
      less.edges.erase(less.edges.begin() + i);
      plan_.without.push_back(plan_.add(as_run(less)));
    }
  }

  void add_redundancy(Json* json) {
    if (plan_.without.empty()) return;
    const double bound = kRedundantShare * std::fabs(mean(full().metric) - mean(empty().metric));
    std::vector<double> redundant;
    for (const size_t index : plan_.without) {
      const double change = mean(outcomes_[index].metric) - mean(outcomes_[plan_.circuit].metric);
      redundant.push_back(std::fabs(change) < bound ? 1 : 0);
    }
    const Interval i = interval_of(redundant, rng_);
    const double share = mean(redundant);
    (*json)["minimality"] = to_json(1 - share, {1 - i.high, 1 - i.low});
    (*json)["minimality_sample"] = redundant.size();
  }

  // ∫ of `height` of f over the curve, with its interval over examples.
  template <typename Height>
  Json curve_area(size_t first, const Height& height) {
    const auto n = static_cast<int64_t>(full().metric.size());
    const auto statistic = [&](const std::vector<int64_t>& sample) {
      const double none = mean_of(empty().metric, sample);
      const double range = mean_of(full().metric, sample) - none;
      std::vector<double> heights;
      for (size_t i = 0; i < curve_shares().size(); ++i) {
        heights.push_back(height((mean_of(outcomes_[first + i].metric, sample) - none) / range));
      }
      return area(heights);
    };
    std::vector<int64_t> all(n);
    for (int64_t i = 0; i < n; ++i) all[i] = i;
    return to_json(statistic(all), bootstrap(n, rng_, statistic));
  }

  void add_curves(Json* json) {
    (*json)["cpr"] = curve_area(plan_.signed_curve, [](double f) { return f; });
    (*json)["cmd"] = curve_area(plan_.magnitude_curve, [](double f) { return std::fabs(1 - f); });
    const auto points = [&](const std::vector<Size>& curve, size_t first) {
      Json list = Json::array();
      for (size_t i = 0; i < curve.size(); ++i) {
        const Faithfulness f = of(first + i);
        list.push_back({{"share", curve[i].share},
                        {"edges", curve[i].nominal.edges.size()},
                        {"edges_pruned", curve[i].run.edges.size()},
                        {"faithfulness", to_json(f.value, f.interval)}});
      }
      return list;
    };
    (*json)["curve"] = {{"signed", points(signed_, plan_.signed_curve)},
                        {"magnitude", points(magnitude_, plan_.magnitude_curve)}};
  }

  const Options& o_;
  const Graph& graph_;
  const CircuitFile& file_;
  Rng rng_;
  Circuit circuit_;
  std::vector<Size> signed_, magnitude_;
  Plan plan_{};
  std::vector<CircuitOutcome> outcomes_;
  Interval range_;
  bool defined_ = false;
};

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
  if (json["faithfulness"].is_null()) return;
  fmt::print("{:<18} {:.4f}  ({:.4f} to {:.4f})\n", "faithfulness", json["faithfulness"].get<double>(),
             json["faithfulness_interval"][0].get<double>(), json["faithfulness_interval"][1].get<double>());
  for (const char* name : {"completeness_gap", "minimality", "cpr", "cmd"}) {
    if (json.contains(name)) fmt::print("{:<18} {}\n", name, with_interval(json[name]));
  }
  if (json.contains("against")) {
    const Json& a = json["against"];
    fmt::print("{:<18} precision {:.3f}, recall {:.3f}, AUROC {:.3f}\n", "against", a["precision"].get<double>(),
               a["recall"].get<double>(), a["auroc"].get<double>());
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
  ScoreSpec spec;
  spec.metric = find_metric(o.metric);
  spec.ablation = parse_ablation(o.ablation);
  const OpenModel open(o.model, o.common);
  const Graph graph(open.model.architecture(), read_circuit(o.circuit).shape.key_values);
  const CircuitFile file = read_circuit(o.circuit, graph);
  const ScoredRecords records(o.data, o.ablation_data, open, {o.bos, o.max_length}, &spec);
  spec.batch = batch_in_memory(open.model.architecture(), records.data.examples, o.batch, o.common);
  CircuitEvaluation evaluation(o, graph, file, open.model);
  evaluation.run(open.model, records.examples, spec);
  Json json = evaluation.json();
  if (!o.against.empty()) {
    const Recovery r = recovery(file.circuit, file.scores, read_circuit(o.against, graph).circuit);
    json["against"] = {{"precision", r.precision}, {"recall", r.recall}, {"auroc", r.auroc}};
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
  CLI::App* command = program.add_subcommand("evaluate", "run a circuit alone: faithfulness, completeness, minimality, CPR, CMD");
  command->footer("Example:\n  circuit evaluate examples/books-4l examples/agreement/dev.jsonl --ablation mean "
                  "--circuit circuit.json");
  command->add_option("MODEL", o->model, "Hugging Face model directory")->required();
  command->add_option("DATA", o->data, "contrast records (JSON Lines)")->required();
  command->add_option("--circuit", o->circuit, "circuit file, as discover writes it")->required();
  command->add_option("--metric", o->metric, names_of(metrics()));
  command->add_option("--ablation", o->ablation, names_of(ablations()));
  command->add_option("--ablation-data", o->ablation_data, "records whose mean the mean ablations take (default: DATA)");
  command->add_option("--against", o->against, "reference circuit: precision, recall and AUROC of this one");
  command->add_option("--redundancy", o->redundancy, "edges removed one by one for minimality (0: none)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--batch", o->batch, "records in one forward; changes no result")->check(CLI::PositiveNumber);
  command->add_option("--max-length", o->max_length, "tokens kept of a text")->check(CLI::PositiveNumber);
  command->add_option("--bos", o->bos, "begin token")->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_flag("--no-prune", o->no_prune, "keep edges on no path from input to logits");
  command->add_flag("--no-curve", o->no_curve, "this circuit only: no CPR and CMD");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
