#include "evaluation/evaluate_file.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/setting_options.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "evaluation/evaluation_text.h"
#include "evaluation/neuron_evaluation.h"
#include "io/files.h"
#include "io/outputs.h"
#include "report/evaluation_page/evaluation_page.h"

namespace circuit {
namespace {

struct EvaluateArguments {
  CommonOptions common;
  EvaluateRequest request;
  NeuronSpec neurons;
  std::string ablation = "counterfactual";
  std::string page;
  bool no_prune = false;
  bool no_curve = false;
};

int run(EvaluateArguments o) {
  if (o.request.circuit.empty() == o.neurons.file.empty())
    throw UsageError("[evaluate] give one of --circuit and --neurons.");
  apply_common(o.common);
  EvaluateRequest& r = o.request;
  check_outputs({r.model, r.data, r.ablation_data, r.circuit, r.against, o.neurons.file}, {{"--page", o.page}});
  r.compute = o.common;
  r.seed = o.common.seed;
  r.ablation = find_ablation(o.ablation);
  r.what.pruning = o.no_prune ? Pruning::kKeep : Pruning::kPrune;
  r.what.curve = !o.no_curve;
  if (!o.neurons.file.empty()) {
    const Json json = neurons_json(evaluate_neurons(r, o.neurons), r.metric, o.ablation);
    fmt::print("{}", o.common.json ? json.dump(1) + "\n" : neurons_text(json));
    return 0;
  }
  const EvaluatedFile found = evaluate_file(r);
  const Json json = evaluation_json(found.evaluation, r.metric, o.ablation, found.against);
  if (!o.page.empty()) {
    const EvaluationNames names{r.model, r.data, r.circuit, r.metric, o.ablation, r.against};
    write_file(o.page, render_evaluation(found.evaluation, found.what, names, found.against));
    log_info("page written to {}.", o.page);
  }
  fmt::print("{}", o.common.json ? json.dump(1) + "\n" : evaluation_text(json));
  return 0;
}

}  // namespace

void add_evaluate(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<EvaluateArguments>();
  CLI::App* command =
      program.add_subcommand("evaluate", "run a circuit alone: faithfulness, completeness, minimality, CPR, CMD");
  command->footer(
      "Example:\n  circuit evaluate examples/books-4l examples/agreement/dev.jsonl --ablation mean "
      "--circuit circuit.json --page circuit.html");
  command->add_option("MODEL", o->request.model, "Hugging Face model directory, or GGUF file")->required();
  command->add_option("DATA", o->request.data, "contrast records (JSON Lines)")->required();
  command->add_option("--circuit", o->request.circuit, "circuit file, as discover writes it");
  Settings of_neurons;
  o->neurons.declare(&of_neurons);
  add_settings(*command, of_neurons);
  command->add_option("--metric", o->request.metric, names_of(metrics()));
  command->add_option("--ablation", o->ablation, names_of(ablations()));
  command->add_option("--ablation-data", o->request.ablation_data,
                      "records whose mean the mean ablations take (default: DATA)");
  command->add_option("--against", o->request.against, "reference circuit: precision, recall and AUROC of this one");
  command->add_option("--redundancy", o->request.what.redundancy, "edges removed one by one for minimality (0: none)")
      ->check(at_least(0));
  command->add_option("--batch", o->request.batch, "records in one forward; changes no result")->check(at_least(1));
  command->add_option("--max-length", o->request.records.max_length, "tokens kept of a text")->check(at_least(1));
  command->add_option("--bos", o->request.records.bos, "begin token")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_flag("--negate", o->request.negate,
                    "change the sign of the file's scores: of tools where negative means support");
  command->add_flag("--no-prune", o->no_prune, "keep edges on no path from input to logits");
  CLI::Option* no_curve = command->add_flag("--no-curve", o->no_curve, "this circuit only: no CPR and CMD");
  command->add_option("--page", o->page, "also write one HTML page: what the circuit carries, its curve, a table")
      ->excludes(no_curve);
  CLI::Option* neurons = command->get_option("--neurons");
  for (const char* name : {"--top-neurons", "--neuron-draws"}) command->get_option(name)->needs(neurons);
  for (const char* name : {"--against", "--redundancy", "--no-prune", "--page"})
    neurons->excludes(command->get_option(name));
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
