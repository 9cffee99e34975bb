#include "evaluation/discover.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "cli/command.h"
#include "cli/setting_options.h"
#include "cli/validators.h"
#include "core/names.h"
#include "core/table.h"
#include "io/outputs.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  DiscoverRequest request;
  CircuitOutputs outputs;
  std::string ablation = "counterfactual";
  std::string positions = "all";
  int64_t top_nodes = 0;
};

constexpr size_t kShown = 10;

// Indices of the values of largest magnitude.
std::vector<size_t> strongest(const std::vector<float>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t shown = std::min(kShown, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(shown), order.end(),
                    [&](size_t a, size_t b) { return std::fabs(values[a]) > std::fabs(values[b]); });
  order.resize(shown);
  return order;
}

void print_selection(const Selected& selected) {
  if (selected.target) {
    const TargetFound& t = *selected.target;
    fmt::print("{:<16} {:.4f}  ({:.4f} to {:.4f}) with {} edges, {} after pruning, on {} held-out examples: {}\n",
               "faithfulness", t.faithfulness.value, t.faithfulness.interval.low, t.faithfulness.interval.high,
               with_commas(t.size.size), with_commas(t.edges_run), t.examples, t.held_out);
    if (t.size.below > 0) {
      fmt::print("{:<16} {:.4f} with {} edges, the next smaller size tried\n", "", t.size.below_value,
                 with_commas(t.size.below));
    }
  }
  if (selected.stability.empty()) return;
  fmt::print("{:<16} {} of the circuit's {} edges are selected in {:.0f} % or more of {} resamples\n", "stability",
             with_commas(count_stable(selected)), with_commas(static_cast<int64_t>(selected.circuit.edges.size())),
             100 * kStableShare, selected.resamples);
}

void print_span_scores(const Graph& graph, const SpanScores& scores) {
  fmt::print("strongest pairs of spans: read in, for\n");
  const size_t n = scores.names.size();
  for (const size_t i : strongest(scores.values)) {
    fmt::print("  {:<24} {:<12} {:<12} {:+.5f}\n", graph.edge_name(static_cast<int64_t>(i / (n * n))),
               scores.names[i / n % n], scores.names[i % n], scores.values[i]);
  }
}

void print_channel_scores(const ChannelScores& scores) {
  fmt::print("strongest MLP channels\n");
  for (const size_t i : strongest(scores.values)) {
    const auto at = static_cast<int64_t>(i);
    fmt::print("  m{}, channel {:<12} {:+.5f}\n", at / scores.channels, at % scores.channels, scores.values[i]);
  }
}

Json to_json(const Agreement& a) {
  return {{"edges", a.edges}, {"pearson", a.pearson}, {"sign_agreement", a.sign_agreement}};
}

void print_summary(const Options& o, const Discovered& found) {
  const Graph& graph = found.graph;
  const ScoreResult& result = found.result;
  const Selected& selected = found.selected;
  const std::optional<Verification>& verification = found.verification;
  const Circuit& circuit = selected.circuit;
  std::vector<int64_t> strongest = circuit.edges;
  std::sort(strongest.begin(), strongest.end(), [&](int64_t a, int64_t b) {
    return std::fabs(result.scores.values[a]) > std::fabs(result.scores.values[b]);
  });
  strongest.resize(std::min(kShown, strongest.size()));
  const int64_t nodes = nodes_of(graph, circuit).count();
  if (o.common.json) {
    Json top = Json::array();
    for (const int64_t id : strongest)
      top.push_back({{"edge", graph.edge_name(id)}, {"score", result.scores.values[id]}});
    Json json = {{"metric", result.metric}, {"examples", result.examples},    {"edges", circuit.edges.size()},
                 {"nodes", nodes},          {"graph_edges", graph.n_edges()}, {"sum_rule_error", result.sum_rule_error},
                 {"strongest", top},        {"out", o.outputs.circuit}};
    if (verification)
      json["verify"] = {{"sampled", to_json(verification->sampled)}, {"top", to_json(verification->top)}};
    json.update(selection_json(selected));
    fmt::print("{}\n", json.dump(1));
    return;
  }
  fmt::print("{:<16} {:.4f} over {} examples\n", o.request.score.metric, result.metric, result.examples);
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
  fmt::print("written to {}\n", o.outputs.circuit);
  if (found.channels) print_channel_scores(*found.channels);
}

int run(Options o) {
  apply_common(o.common);
  check_outputs({o.request.model, o.request.data, o.request.ablation_data, o.request.target.held_out},
                {{"-o", o.outputs.circuit},
                 {"--dot", o.outputs.dot},
                 {"--svg", o.outputs.svg},
                 {"--spans", o.outputs.spans},
                 {"--channels", o.outputs.channels}});
  DiscoverRequest& r = o.request;
  r.compute = o.common;
  r.seed = o.common.seed;
  r.score.ablation = parse_ablation(o.ablation);
  r.score.positions = parse_positions(o.positions);
  r.spans = !o.outputs.spans.empty();
  r.channels = !o.outputs.channels.empty();
  if (o.top_nodes > 0) {
    r.selection.kind = "top-nodes";
    r.selection.n = o.top_nodes;
  }
  const Discovered found = discover(r);
  write_discovered(r, found, o.outputs);
  print_summary(o, found);
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
  command->add_option("MODEL", o->request.model, "Hugging Face model directory")->required();
  command->add_option("DATA", o->request.data, "contrast records (JSON Lines)")->required();
  command->add_option("-o,--out", o->outputs.circuit, "file to write")->required();
  command->add_option("--method", o->request.score.method, "scoring method: " + names_of(scorers()));
  command->add_option("--metric", o->request.score.metric, names_of(metrics()));
  command->add_option("--ablation", o->ablation, names_of(ablations()));
  command->add_option("--ablation-data", o->request.ablation_data,
                      "records whose mean the mean ablations take (default: DATA)");
  Settings scorer_settings;
  declare_parameters(scorers(), &scorer_settings, &o->request.score.own);
  add_settings(*command, scorer_settings);
  command
      ->add_option("--verify", o->request.verify,
                   "ablate N sampled and N top edges one by one and compare with the scores")
      ->check(at_least(1));
  command->add_option("--positions", o->positions, "positions summed over: all or readout");
  CLI::Option* selection = command->add_option("--selection", o->request.selection.kind, names_of(selectors()));
  CLI::Option* size =
      command->add_option("--top-edges", o->request.selection.n, "edges of the circuit")->check(at_least(1));
  CLI::Option* resamples =
      command
          ->add_option("--resamples", o->request.resamples,
                       "resample the examples N times and write the share of times each edge is selected")
          ->check(at_least(1));
  CLI::Option* stable =
      command->add_option("--stable", o->request.stable, "keep edges selected in at least this share of the resamples")
          ->check(between(0.0, 1.0))
          ->needs(resamples);
  CLI::Option* target = command
                            ->add_option("--target-faithfulness", o->request.target.faithfulness,
                                         "the smallest circuit that reaches this faithfulness on held-out "
                                         "records, instead of --top-edges")
                            ->check(between(0.0, 1.0))
                            ->excludes(size)
                            ->excludes(stable);
  command->add_option("--held-out", o->request.target.held_out, "those records (default: the second half of DATA)")
      ->needs(target);
  command
      ->add_option("--top-nodes", o->top_nodes, "a circuit of the N strongest nodes instead, with all edges among them")
      ->check(at_least(1))
      ->excludes(size)
      ->excludes(selection)
      ->excludes(target);
  Settings selector_settings;
  declare_parameters(selectors(), &selector_settings, &o->request.selection.own);
  add_settings(*command, selector_settings);
  command->add_flag("--signed", o->request.selection.signed_scores, "rank by the score itself, positive ones only");
  command->add_flag("--prune", o->request.prune, "drop edges on no path from input to logits");
  command->add_option("--batch", o->request.batch, "records in one forward; changes no score")->check(at_least(1));
  command->add_option("--max-length", o->request.records.max_length, "tokens kept of a text")->check(at_least(1));
  command->add_option("--bos", o->request.records.bos, "begin token")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_option("--dot", o->outputs.dot, "also write the circuit as Graphviz DOT");
  command->add_option("--svg", o->outputs.svg, "also write the circuit as a drawing that browsers and editors open");
  command->add_option("--mlp-block", o->request.graph.mlp_block, "split every MLP into nodes of W channels")
      ->check(at_least(1));
  command->add_option("--spans", o->outputs.spans, "also write scores by pairs of the records' spans, as safetensors")
      ->excludes(resamples);
  command->add_option("--channels", o->outputs.channels, "also write a score of every MLP channel, as safetensors");
  command->add_flag("--ungrouped", o->request.graph.ungrouped,
                    "key and value readers per query head, as other tools read them");
  command->add_flag("--compact", o->outputs.compact, "write safetensors instead of JSON");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
