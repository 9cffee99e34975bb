#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/setting_options.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "evaluation/circuit_matrix.h"
#include "evaluation/evaluation_text.h"
#include "evaluation/neuron_evaluation.h"
#include "evaluation/span_circuit.h"
#include "io/files.h"
#include "io/outputs.h"
#include "report/evaluation_page/evaluation_page.h"
#include "report/evaluation_page/matrix_page.h"

namespace circuit {
namespace {

struct EvaluateArguments {
  CommonOptions common;
  EvaluateRequest request;
  NeuronSpec neurons;
  SpanSpec spans;
  std::vector<std::string> data, circuits;
  std::vector<const CLI::Option*> of_one;  // options of one circuit on one task alone
  std::string page;
};

// What is printed, and the page where one is asked for.
struct EvaluateResult {
  Json json;
  std::string text, page;
};

EvaluateResult evaluate_several(const EvaluateArguments& o) {
  for (const CLI::Option* option : o.of_one) {
    if (option->count() == 0) continue;
    throw UsageError(fmt::format("[{}] is of one circuit on one task: found several.", option->get_name()));
  }
  const CircuitMatrix matrix = evaluate_matrix(o.request, o.data, o.circuits);
  const Json json = matrix_json(matrix, o.request.metric, o.request.ablation->name);
  return {json, matrix_text(json), o.page.empty() ? "" : render_matrix(matrix, o.request)};
}

EvaluateResult evaluate_one(EvaluateRequest r, const EvaluateArguments& o) {
  r.data = o.data[0];
  r.circuit = o.circuits[0];
  const EvaluatedFile found = evaluate_file(r);
  const Json json = evaluation_json(found.evaluation, r.metric, r.ablation->name, found.against);
  const EvaluationNames names{r.model, r.data, r.circuit, r.metric, r.ablation->name, r.against};
  return {json, evaluation_text(json),
          o.page.empty() ? "" : render_evaluation(found.evaluation, found.what, names, found.against)};
}

EvaluateResult evaluate(const EvaluateArguments& o) {
  const std::string& metric = o.request.metric;
  const std::string ablation = o.request.ablation->name;
  if (o.neurons.file.empty() && o.spans.file.empty()) {
    if (o.circuits.empty()) throw UsageError("[--circuit] give it, --neurons or --span-scores: what is to be run.");
    return o.data.size() > 1 || o.circuits.size() > 1 ? evaluate_several(o) : evaluate_one(o.request, o);
  }
  if (o.data.size() > 1) throw UsageError("[DATA] is one file where neurons or spans are run: found several.");
  EvaluateRequest r = o.request;
  r.data = o.data[0];
  if (!o.neurons.file.empty()) {
    const Json json = neurons_json(evaluate_neurons(r, o.neurons), metric, ablation);
    return {json, neurons_text(json), ""};
  }
  const Json json = span_circuit_json(evaluate_span_circuit(r, o.spans), metric, ablation);
  return {json, span_circuit_text(json), ""};
}

int run(EvaluateArguments o) {
  apply_common(o.common);
  std::vector<std::string> inputs{o.request.model, o.request.ablation_data, o.request.against, o.neurons.file,
                                  o.spans.file};
  for (const auto& files : {o.data, o.circuits}) inputs.insert(inputs.end(), files.begin(), files.end());
  check_outputs(inputs, {{"--page", o.page}});
  o.request.compute = o.common;
  o.request.seed = o.common.seed;
  const EvaluateResult result = evaluate(o);
  if (!o.page.empty()) {
    write_file(o.page, result.page);
    log_info("page written to {}.", o.page);
  }
  fmt::print("{}", o.common.json ? result.json.dump(1) + "\n" : result.text);
  return 0;
}

}  // namespace

void add_evaluate(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<EvaluateArguments>();
  CLI::App* command =
      program.add_subcommand("evaluate", "run a circuit alone: faithfulness, completeness, minimality, CPR, CMD");
  command->footer(
      "Several DATA or --circuit make a table: faithfulness of every circuit on every task, overlap of the circuits.\n"
      "Examples:\n  circuit evaluate examples/books-4l examples/agreement/dev.jsonl --ablation mean "
      "--circuit circuit.json --baselines --page circuit.html\n"
      "  circuit evaluate examples/books-4l a.jsonl b.jsonl --ablation mean --circuit a.json --circuit b.json");
  command->add_option("MODEL", o->request.model, "Hugging Face model directory, or GGUF file")->required();
  command->add_option("DATA", o->data, "contrast records (JSON Lines)")->required();
  command->add_option("--circuit", o->circuits, "circuit file, as discover writes it; may stand several times")
      ->allow_extra_args(false);
  command->add_option("--metric", o->request.metric, names_of(metrics()));
  command->add_option_function<std::string>(
      "--ablation", [o](const std::string& name) { o->request.ablation = find_ablation(name); }, names_of(ablations()));
  command->add_option("--ablation-data", o->request.ablation_data,
                      "records whose mean the mean ablations take (default: DATA)");
  o->of_one = {command->add_option("--against", o->request.against,
                                   "reference circuit: precision, recall and AUROC of this one")};
  Settings settings;
  o->request.what.declare(&settings);
  add_settings(*command, settings);
  command->get_option("--draws")->needs(command->get_option("--baselines"));
  for (const char* name : {"--redundancy", "--baselines"}) o->of_one.push_back(command->get_option(name));
  command->add_option("--batch", o->request.batch, "records in one forward; changes no result")->check(at_least(1));
  command->add_option("--max-length", o->request.records.max_length, "tokens kept of a text")->check(at_least(1));
  command->add_option("--bos", o->request.records.bos, "begin token")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_flag("--negate", o->request.negate,
                    "change the sign of the file's scores: of tools where negative means support");
  command->add_flag_callback(
      "--no-prune", [o] { o->request.what.pruning = Pruning::kKeep; }, "keep edges on no path from input to logits");
  o->of_one.push_back(command->add_flag_callback(
      "--no-curve", [o] { o->request.what.curve = false; }, "this circuit only: no CPR and CMD"));
  command->add_option("--page", o->page, "also write one HTML page: what the circuit carries, its curve, a table")
      ->excludes(command->get_option("--no-curve"));
  Settings finer;
  o->neurons.declare(&finer);
  o->spans.declare(&finer);
  add_settings(*command, finer);
  for (const char* name : {"--neurons", "--span-scores"}) {
    CLI::Option* file = command->get_option(name);
    for (const char* other : {"--circuit", "--against", "--redundancy", "--baselines", "--no-prune", "--page"})
      file->excludes(command->get_option(other));
  }
  command->get_option("--neurons")->excludes(command->get_option("--span-scores"));
  for (const char* name : {"--top-neurons", "--neuron-draws"})
    command->get_option(name)->needs(command->get_option("--neurons"));
  command->get_option("--top-pairs")->needs(command->get_option("--span-scores"));
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
