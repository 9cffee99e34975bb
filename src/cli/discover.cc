#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/setting_options.h"
#include "cli/validators.h"
#include "core/names.h"
#include "evaluation/discover_text.h"
#include "io/outputs.h"

namespace circuit {
namespace {

struct DiscoverArguments {
  CommonOptions common;
  DiscoverRequest request;
  CircuitOutputs outputs;
  std::string ablation = "counterfactual";
  std::string positions = "all";
  int64_t top_nodes = 0;
};

int run(DiscoverArguments o) {
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
  r.score.ablation = find_ablation(o.ablation);
  r.score.positions = parse_positions(o.positions);
  r.spans = !o.outputs.spans.empty();
  r.channels = !o.outputs.channels.empty();
  if (o.top_nodes > 0) {
    r.selection.kind = "top-nodes";
    r.selection.n = o.top_nodes;
  }
  const Discovered found = discover(r);
  write_discovered(r, found, o.outputs);
  if (o.common.json) {
    Json json = discovered_json(found);
    json["out"] = o.outputs.circuit;
    fmt::print("{}\n", json.dump(1));
  } else {
    fmt::print("{}written to {}\n{}", discovered_text(r.score.metric, found), o.outputs.circuit, channels_text(found));
  }
  return 0;
}

}  // namespace

void add_discover(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<DiscoverArguments>();
  CLI::App* command = program.add_subcommand("discover", "edge scores on a data set, and the circuit");
  command->footer(
      "Example:\n  circuit discover examples/books-4l examples/agreement/dev.jsonl --ablation mean "
      "--top-edges 200 -o circuit.json --svg circuit.svg\n"
      "  circuit discover examples/books-4l examples/agreement/train.jsonl --ablation mean "
      "--target-faithfulness 0.9 --held-out examples/agreement/dev.jsonl -o circuit.json");
  command->add_option("MODEL", o->request.model, "Hugging Face model directory, or GGUF file")->required();
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
  command
      ->add_option("--resamples", o->request.resamples,
                   "resample the examples N times and write the share of times each edge is selected")
      ->check(at_least(1));
  command->add_option("--stable", o->request.stable, "keep edges selected in at least this share of the resamples")
      ->check(between(0.0, 1.0));
  CLI::Option* target = command
                            ->add_option("--target-faithfulness", o->request.target.faithfulness,
                                         "the smallest circuit that reaches this faithfulness on held-out "
                                         "records, instead of --top-edges")
                            ->check(between(0.0, 1.0))
                            ->excludes(size);
  command->add_option("--held-out", o->request.target.held_out, "those records (default: the second half of DATA)");
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
  command->add_option("--spans", o->outputs.spans, "also write scores by pairs of the records' spans, as safetensors");
  command->add_option("--channels", o->outputs.channels, "also write a score of every MLP channel, as safetensors");
  command->add_flag("--ungrouped", o->request.graph.ungrouped,
                    "key and value readers per query head, as other tools read them");
  command->add_flag("--compact", o->outputs.compact, "write safetensors instead of JSON");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
