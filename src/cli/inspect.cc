#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/progress.h"
#include "graph/graph.h"
#include "model/memory.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string model;
  int64_t batch = 16;
  int64_t length = 128;
};

const char* norm_name(NormKind kind) { return kind == NormKind::kLayerNorm ? "LayerNorm" : "RMSNorm"; }

const char* activation_name(Activation activation) {
  switch (activation) {
    case Activation::kGeluTanh:
      return "GELU (tanh)";
    case Activation::kGeluErf:
      return "GELU (erf)";
    case Activation::kSilu:
      return "SiLU";
    case Activation::kRelu:
      return "ReLU";
  }
  return "";
}

int run(const Options& o) {
  const Checkpoint checkpoint = Checkpoint::open(o.model);
  // Loading checks every tensor's presence and shape without reading its pages.
  const Model model = Model::load(checkpoint, load_options(o.common));
  const Architecture& a = model.architecture();
  const LayerSpec& spec = a.layer(0);
  const Graph grouped(a, KeyValueNodes::kGrouped);
  const Graph ungrouped(a, KeyValueNodes::kUngrouped);
  const int64_t element = o.common.dtype == "bf16" ? 2 : 4;
  const auto plan = [&](Pass pass) {
    return plan_memory(a, model.parameter_count(), pass, o.batch, o.length, element).total();
  };
  ScoreSpec eap;
  eap.ablation = Ablation::kCounterfactual;
  const int64_t discover = plan_score(model, grouped, eap_scorer(), eap, o.length).total(o.batch);
  const std::string stored = dtype_name(checkpoint.tensor(model.file_name(model.layout().embedding)).scalar_type());
  if (o.common.json) {
    Json json = {{"family", a.family},
                 {"parameters", model.parameter_count()},
                 {"dtype", stored},
                 {"n_layers", a.n_layers},
                 {"n_heads", a.n_heads},
                 {"n_kv_heads", a.n_kv_heads},
                 {"d_model", a.d_model},
                 {"d_head", a.d_head},
                 {"d_mlp", a.d_mlp},
                 {"vocab", a.vocab},
                 {"n_positions", a.n_positions},
                 {"tied_unembedding", a.head.tied},
                 {"upstream_nodes", grouped.n_upstream()},
                 {"downstream_nodes", grouped.n_downstream()},
                 {"edges", grouped.n_edges()},
                 {"edges_ungrouped", ungrouped.n_edges()},
                 {"memory",
                  {{"batch", o.batch},
                   {"length", o.length},
                   {"forward", plan(Pass::kForward)},
                   {"discover", discover},
                   {"train", plan(Pass::kTrain)}}},
                 {"notes", a.notes}};
    fmt::print("{}\n", json.dump(1));
    return 0;
  }
  std::vector<std::vector<std::string>> rows{
      {"family", a.family},
      {"parameters", with_commas(model.parameter_count()) + (a.head.tied ? " (tied matrix once)" : "")},
      {"stored as", stored},
      {"layers", std::to_string(a.n_layers)},
      {"heads", fmt::format("{} query, {} key/value, {} channels each", a.n_heads, a.n_kv_heads, a.d_head)},
      {"widths", fmt::format("{} residual, {} MLP{}", a.d_model, a.d_mlp, spec.mlp.gated ? " (gated)" : "")},
      {"norm, activation", fmt::format("{}, {}", norm_name(a.norm.kind), activation_name(spec.mlp.activation))},
      {"vocabulary", with_commas(a.vocab)},
      {"positions", with_commas(a.n_positions)},
      {"nodes", fmt::format("{} upstream, {} downstream", grouped.n_upstream(), grouped.n_downstream())},
      {"edges", with_commas(grouped.n_edges())}};
  if (ungrouped.n_edges() != grouped.n_edges()) rows.push_back({"edges, ungrouped", with_commas(ungrouped.n_edges())});
  const std::string shape = fmt::format(" at {} x {} tokens", o.batch, o.length);
  rows.push_back({"memory, forward", format_bytes(static_cast<double>(plan(Pass::kForward))) + shape});
  rows.push_back({"memory, discover", format_bytes(static_cast<double>(discover)) + shape});
  rows.push_back({"memory, train", format_bytes(static_cast<double>(plan(Pass::kTrain))) + shape +
                                       " (and optimiser state of the slices)"});
  for (const auto& row : rows) fmt::print("{:<18} {}\n", row[0], row[1]);
  for (const std::string& note : a.notes) fmt::print("{:<18} {}\n", "note", note);
  return 0;
}

}  // namespace

void add_inspect(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("inspect", "architecture, parameters, graph size, memory");
  command->footer("Example:\n  circuit inspect examples/books-4l --batch 16 --length 64");
  command->add_option("MODEL", o->model, "Hugging Face model directory")->required();
  command->add_option("--batch", o->batch, "sequences of the memory estimate")->check(at_least(1));
  command->add_option("--length", o->length, "tokens per sequence of the memory estimate")->check(at_least(1));
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
