#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/finer.h"
#include "cli/outputs.h"
#include "cli/selected.h"
#include "cli/stability.h"
#include "cli/target.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "core/progress.h"
#include "graph/circuit_file.h"
#include "graph/svg.h"
#include "io/files.h"
#include "scoring/memory.h"
#include "scoring/verify.h"
#include "selection/prune.h"
#include "selection/selector.h"

namespace circuit {
namespace {

constexpr double kSumRuleTolerance = 1e-4;
constexpr double kSumRuleToleranceBf16 = 5e-2;  // 8 bits of mantissa
// A metric that moves less than this share of itself between text and counterfactual does not move: rounding.
constexpr double kLeastShift = 1e-6;

struct Options {
  CommonOptions common;
  std::string model, data, out, dot, svg, spans, channels;
  std::string method = "eap";
  std::string metric = "logit_diff";
  std::string ablation = "counterfactual";
  std::string positions = "all";
  std::string selection = "top-edges";
  std::string bos = "auto";
  std::string ablation_data;
  int64_t ig_steps = 5;
  int64_t verify = 0;
  TargetOptions target;
  int64_t resamples = 0;
  double stable = 0;
  int64_t top_edges = 1000;
  int64_t top_nodes = 0;
  int64_t mlp_block = 0;
  double threshold = 0;
  double budget = 1;
  bool signed_scores = false;
  bool prune = false;
  int64_t batch = 16;
  int64_t max_length = 0;
  bool ungrouped = false;
  bool compact = false;
};

// Scores, and those of parts of the examples where the selection is to be resampled.
struct Scored {
  ScoreResult result;
  std::optional<PartScores> parts;
};

void check_scores(const ScoreResult& result, const Options& o) {
  const double tolerance = o.common.dtype == "bf16" ? kSumRuleToleranceBf16 : kSumRuleTolerance;
  if (result.sum_rule_error > tolerance) {
    fail("discover",
         "the scores break the sum rule by {:.2e} (at most {:.0e} is rounding): do not trust them. "
         "Use --dtype f32, or report this.",
         result.sum_rule_error, tolerance);
  }
  const bool all_zero =
      std::all_of(result.scores.values.begin(), result.scores.values.end(), [](float s) { return s == 0; });
  if (all_zero) {
    fail("discover", "every score is zero: the ablation changes nothing. Are the counterfactuals equal to the texts?");
  }
  if (result.metric_shift && *result.metric_shift <= kLeastShift * std::max(1.0, std::fabs(result.metric))) {
    fail("discover",
         "{} is the same on every text and its counterfactual ({:.6g} on average): there is nothing to "
         "attribute. Do the counterfactuals change what the readouts ask?",
         o.metric, result.metric);
  }
}

Json to_json(const Agreement& a) {
  return {{"edges", a.edges}, {"pearson", a.pearson}, {"sign_agreement", a.sign_agreement}};
}

void print_summary(const Graph& graph, const ScoreResult& result, const Selected& selected,
                   const std::optional<Verification>& verification, const Options& o) {
  const Circuit& circuit = selected.circuit;
  std::vector<int64_t> strongest = circuit.edges;
  std::sort(strongest.begin(), strongest.end(), [&](int64_t a, int64_t b) {
    return std::fabs(result.scores.values[a]) > std::fabs(result.scores.values[b]);
  });
  constexpr size_t kShown = 10;
  strongest.resize(std::min(kShown, strongest.size()));
  const int64_t nodes = nodes_of(graph, circuit).count();
  if (o.common.json) {
    Json top = Json::array();
    for (const int64_t id : strongest)
      top.push_back({{"edge", graph.edge_name(id)}, {"score", result.scores.values[id]}});
    Json json = {{"metric", result.metric},
                 {"examples", result.examples},
                 {"edges", circuit.edges.size()},
                 {"nodes", nodes},
                 {"graph_edges", graph.n_edges()},
                 {"sum_rule_error", result.sum_rule_error},
                 {"strongest", top},
                 {"out", o.out}};
    if (verification)
      json["verify"] = {{"sampled", to_json(verification->sampled)}, {"top", to_json(verification->top)}};
    json.update(selection_json(selected));
    fmt::print("{}\n", json.dump(1));
    return;
  }
  fmt::print("{:<16} {:.4f} over {} examples\n", o.metric, result.metric, result.examples);
  fmt::print("{:<16} {} of {} edges, {} nodes\n", "circuit", with_commas(static_cast<int64_t>(circuit.edges.size())),
             with_commas(graph.n_edges()), nodes);
  if (result.sum_rule_error > 0) {
    fmt::print("{:<16} holds to {:.1e} of a node's summed |score|\n", "sum rule", result.sum_rule_error);
  }
  print_selection(selected);
  if (verification) {
    for (const auto& [name, a] :
         {std::pair("sampled edges", verification->sampled), {"top edges", verification->top}}) {
      fmt::print("{:<16} {} ablated one by one: correlation {:.3f}, same sign {:.0f} %\n", name, a.edges, a.pearson,
                 100 * a.sign_agreement);
    }
  }
  fmt::print("strongest edges\n");
  for (const int64_t id : strongest) fmt::print("  {:<24} {:+.5f}\n", graph.edge_name(id), result.scores.values[id]);
  if (result.spans) print_span_scores(graph, *result.spans);
  fmt::print("written to {}\n", o.out);
}

ScoreSpec score_spec(const Options& o) {
  ScoreSpec spec;
  spec.metric = find_metric(o.metric);
  spec.ablation = parse_ablation(o.ablation);
  spec.positions = parse_positions(o.positions);
  spec.ig_steps = o.ig_steps;
  spec.seed = o.common.seed;
  return spec;
}

void write_result(const Options& o, const Architecture& a, const Graph& graph, const ScoreResult& result,
                  const Selected& selected, bool begin_token) {
  const Circuit& circuit = selected.circuit;
  std::map<std::string, std::string> meta{{"model", o.model},
                                          {"data", o.data},
                                          {"method", o.method},
                                          {"metric", o.metric},
                                          {"ablation", o.ablation},
                                          {"positions", o.positions},
                                          {"bos", begin_token ? "yes" : "no"},
                                          {"examples", std::to_string(result.examples)},
                                          {"version", CIRCUIT_VERSION}};
  meta.merge(selection_meta(selected));
  if (o.compact) {
    // What the JSON form has in its cfg.
    meta["d_model"] = std::to_string(a.d_model);
    meta["d_head"] = std::to_string(a.d_head);
    write_circuit_compact(o.out, graph, result.scores, circuit, meta, selected.stability);
  } else {
    write_circuit_json(o.out, a, graph, result.scores, circuit, meta, selected.stability);
  }
  if (!o.dot.empty()) write_file(o.dot, to_dot(graph, circuit, result.scores));
  if (!o.svg.empty()) write_file(o.svg, to_svg(graph, circuit, result.scores));
  if (result.spans) write_span_scores(o.spans, graph, *result.spans);
}

Scored score(const Options& o, const Scorer& scorer, const Model& model, const Graph& graph,
             const std::vector<const Example*>& examples, const ScoreSpec& spec) {
  Progress progress("discover", static_cast<int64_t>(examples.size()));
  const auto show = [&](int64_t done, int64_t) { progress.update(done); };
  if (o.resamples == 0) return {scorer.score(model, graph, examples, spec, show), std::nullopt};
  ScoredParts scored = score_in_parts(scorer, model, graph, examples, spec, show);
  return {std::move(scored.whole), std::move(scored.parts)};
}

Selected select(const Options& o, const Selector& selector, const Model& model, const Graph& graph,
                const Scored& scored, const TargetRecords& records, const ScoreSpec& spec) {
  const SliceTable slices(graph, model);
  const SelectionInput input{graph, scored.result.scores, slices};
  SelectionSpec selection;
  selection.n = o.top_nodes > 0 ? o.top_nodes : o.top_edges;
  selection.threshold = o.threshold;
  selection.budget = o.budget;
  selection.signed_scores = o.signed_scores;
  Selected selected;
  selected.resamples = o.resamples;
  selected.stable = o.stable;
  if (o.target.faithfulness) {
    Rng draws = Rng(o.common.seed).split("target");
    selected.target = find_target(model, input, selector, selection, o.target, records, spec, draws);
    selection.n = selected.target->size.size;
  }
  Rng rng = Rng(o.common.seed).split("selection");
  selected.circuit = selector.select(input, selection, rng);
  if (o.selection == "top-edges" && o.top_nodes == 0 &&
      static_cast<int64_t>(selected.circuit.edges.size()) < selection.n) {
    log_info("only {} edges have a score other than zero; all are taken.", selected.circuit.edges.size());
  }
  if (scored.parts) {
    Rng draws = Rng(o.common.seed).split("resamples");
    selected.stability = selection_stability(
        *scored.parts,
        [&](const EdgeScores& scores) {
          return selector.select({graph, scores, slices}, selection, rng);
        },
        o.resamples, draws);
  }
  if (o.stable > 0) {
    const size_t before = selected.circuit.edges.size();
    selected.circuit = stable_edges(selected.circuit, selected.stability, o.stable);
    log_info("stable: {} of {} edges are selected in {:.4g} % or more of the resamples.", selected.circuit.edges.size(),
             before, 100 * o.stable);
  }
  if (o.prune) {
    const size_t before = selected.circuit.edges.size();
    selected.circuit = prune(graph, selected.circuit);
    log_info("pruned: {} of {} edges lie on a path from input to logits.", selected.circuit.edges.size(), before);
  }
  return selected;
}

// Spans as the records name them. Throws Error when there is none, UsageError for a method that cannot tell them.
std::vector<std::string> wanted_spans(const Options& o, const Scorer& scorer,
                                      const std::vector<const Example*>& examples) {
  if (o.spans.empty()) return {};
  if (!scorer.splits_spans) throw UsageError(fmt::format("[--spans] method {} does not score by spans.", scorer.name));
  std::vector<std::string> names = span_names(examples);
  if (names.size() == 1) fail(o.data, "no record has 'spans', which --spans needs.");
  return names;
}

// Batches that stay inside the memory, for everything that will be run; says what is planned.
int64_t planned_batch(const Options& o, const Scorer& scorer, const Model& model, const Graph& graph,
                      const ScoreSpec& spec, const std::vector<const Example*>& examples) {
  const int64_t longest = longest_of(examples);
  int64_t batch = batch_in_memory(plan_score(model, graph, scorer, spec, longest), o.batch, o.common);
  if (o.verify > 0 || o.target.faithfulness) {
    batch = batch_in_memory(plan_circuits(model, graph, longest), batch, o.common);
  }
  return batch;
}

void score_channels_to_file(const Options& o, const Model& model, const std::vector<const Example*>& examples,
                            const ScoreSpec& spec) {
  Progress progress("channels", static_cast<int64_t>(examples.size()));
  const ChannelScores scores =
      score_channels(model, examples, spec, [&](int64_t done, int64_t) { progress.update(done); });
  progress.clear();
  write_channel_scores(o.channels, scores);
  if (!o.common.json) print_channel_scores(scores);
}

int run(const Options& o) {
  check_target(o.target, o.selection);
  apply_common(o.common);
  check_outputs({o.model, o.data, o.ablation_data, o.target.held_out},
                {{"-o", o.out}, {"--dot", o.dot}, {"--svg", o.svg}, {"--spans", o.spans}, {"--channels", o.channels}});
  const Scorer& scorer = find_scorer(o.method);
  const Selector& selector = find_selector(o.top_nodes > 0 ? "top-nodes" : o.selection);
  ScoreSpec spec = score_spec(o);
  if (!o.channels.empty() && spec.metric.flat_at_clean) {
    fail("--channels", "metric {} has a gradient of zero at the clean input, where channels are scored.", o.metric);
  }
  const OpenModel open(o.model, o.common);
  const ScoredRecords records(o.data, o.ablation_data, open, {o.bos, o.max_length}, &spec);
  const TargetRecords used = target_records(o.target, o.data, records, open, {o.bos, o.max_length}, spec);
  const std::vector<const Example*>& examples = used.scored;
  const Architecture& a = open.model.architecture();
  const Graph graph(a, o.ungrouped ? KeyValueNodes::kUngrouped : KeyValueNodes::kGrouped, o.mlp_block);
  spec.spans = wanted_spans(o, scorer, examples);
  std::vector<const Example*> all = examples;
  all.insert(all.end(), used.held_out.begin(), used.held_out.end());
  if (spec.ablation_reference != nullptr)
    all.insert(all.end(), spec.ablation_reference->begin(), spec.ablation_reference->end());
  spec.batch = planned_batch(o, scorer, open.model, graph, spec, all);
  const Scored scored = score(o, scorer, open.model, graph, examples, spec);
  const ScoreResult& result = scored.result;
  check_scores(result, o);
  const Selected selected = select(o, selector, open.model, graph, scored, used, spec);
  std::optional<Verification> verification;
  if (o.verify > 0) {
    if (spec.positions != Positions::kAll) {
      log_warning("--verify ablates an edge at every position, while the scores sum over the readouts alone.");
    }
    Rng sample = Rng(o.common.seed).split("verify");
    Progress verifying("verify", static_cast<int64_t>(examples.size()));
    verification = verify_scores(open.model, graph, examples, spec, result.scores, o.verify, sample,
                                 [&](int64_t done, int64_t) { verifying.update(done); });
    verifying.clear();
  }
  write_result(o, a, graph, result, selected, records.data.begin_token);
  print_summary(graph, result, selected, verification, o);
  if (!o.channels.empty()) score_channels_to_file(o, open.model, examples, spec);
  return 0;
}

}  // namespace

void add_discover(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("discover", "edge scores on a data set, and the circuit");
  command->footer(
      "Example:\n  circuit discover examples/books-4l examples/agreement/dev.jsonl --ablation mean "
      "--top-edges 200 -o circuit.json --svg circuit.svg\n"
      "  circuit discover examples/books-4l examples/agreement/train.jsonl --ablation mean "
      "--target-faithfulness 0.9 --held-out examples/agreement/dev.jsonl -o circuit.json");
  command->add_option("MODEL", o->model, "Hugging Face model directory")->required();
  command->add_option("DATA", o->data, "contrast records (JSON Lines)")->required();
  command->add_option("-o,--out", o->out, "file to write")->required();
  command->add_option("--method", o->method, "scoring method: " + names_of(scorers()));
  command->add_option("--metric", o->metric, names_of(metrics()));
  command->add_option("--ablation", o->ablation, names_of(ablations()));
  command->add_option("--ablation-data", o->ablation_data,
                      "records whose mean the mean ablations take (default: DATA)");
  command->add_option("--ig-steps", o->ig_steps, "gradients of the eap-ig methods")->check(at_least(1));
  command->add_option("--verify", o->verify, "ablate N sampled and N top edges one by one and compare with the scores")
      ->check(at_least(1));
  command->add_option("--positions", o->positions, "positions summed over: all or readout");
  CLI::Option* selection = command->add_option("--selection", o->selection, names_of(selectors()));
  CLI::Option* size = command->add_option("--top-edges", o->top_edges, "edges of the circuit")->check(at_least(1));
  CLI::Option* resamples =
      command
          ->add_option("--resamples", o->resamples,
                       "resample the examples N times and write the share of times each edge is selected")
          ->check(at_least(1));
  CLI::Option* stable =
      command->add_option("--stable", o->stable, "keep edges selected in at least this share of the resamples")
          ->check(between(0.0, 1.0))
          ->needs(resamples);
  CLI::Option* target = command
                            ->add_option("--target-faithfulness", o->target.faithfulness,
                                         "the smallest circuit that reaches this faithfulness on held-out "
                                         "records, instead of --top-edges")
                            ->check(between(0.0, 1.0))
                            ->excludes(size)
                            ->excludes(stable);
  command->add_option("--held-out", o->target.held_out, "those records (default: the second half of DATA)")
      ->needs(target);
  command
      ->add_option("--top-nodes", o->top_nodes, "a circuit of the N strongest nodes instead, with all edges among them")
      ->check(at_least(1))
      ->excludes(size)
      ->excludes(selection)
      ->excludes(target);
  command->add_option("--threshold", o->threshold, "least |score|, for selection threshold")->check(at_least(0));
  command->add_option("--budget", o->budget, "largest trainable share, for selection param-budget")
      ->check(between(0.0, 1.0));
  command->add_flag("--signed", o->signed_scores, "rank by the score itself, positive ones only");
  command->add_flag("--prune", o->prune, "drop edges on no path from input to logits");
  command->add_option("--batch", o->batch, "records in one forward; changes no score")->check(at_least(1));
  command->add_option("--max-length", o->max_length, "tokens kept of a text")->check(at_least(1));
  command->add_option("--bos", o->bos, "begin token")->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_option("--dot", o->dot, "also write the circuit as Graphviz DOT");
  command->add_option("--svg", o->svg, "also write the circuit as a drawing that browsers and editors open");
  command->add_option("--mlp-block", o->mlp_block, "split every MLP into nodes of W channels")->check(at_least(1));
  command->add_option("--spans", o->spans, "also write scores by pairs of the records' spans, as safetensors")
      ->excludes(resamples);
  command->add_option("--channels", o->channels, "also write a score of every MLP channel, as safetensors");
  command->add_flag("--ungrouped", o->ungrouped, "key and value readers per query head, as other tools read them");
  command->add_flag("--compact", o->compact, "write safetensors instead of JSON");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
