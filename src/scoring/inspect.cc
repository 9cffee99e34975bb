#include "scoring/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/progress.h"
#include "core/table.h"
#include "graph/graph.h"
#include "model/memory.h"
#include "scoring/memory.h"

namespace circuit {
namespace {

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
    case Activation::kReluSquared:
      return "ReLU, squared";
    case Activation::kXielu:
      return "xIELU";
    case Activation::kSigmoid17:
      return "x sigmoid(1.702 x)";
  }
  return "";
}

std::string experts_text(const ExpertsSpec& experts) {
  if (!experts.any()) return "none";
  const std::string beside = experts.shared > 0 ? fmt::format(", {} beside them", experts.shared) : "";
  return fmt::format("{} of {} channels, of which a token visits {}{}", experts.routed, experts.width, experts.chosen,
                     beside);
}

std::string heads_text(const Architecture& a) {
  const std::string values = a.value_width() != a.d_head ? fmt::format(", of values {}", a.value_width()) : "";
  return fmt::format("{} query, {} key/value, {} channels each{}", a.n_heads, a.n_kv_heads, a.d_head, values);
}

}  // namespace

Inspected inspect(const std::string& directory, int64_t batch, int64_t length, const ComputeSpec& compute) {
  const Checkpoint checkpoint = Checkpoint::open(directory);
  const Model model = Model::load(checkpoint, load_options(compute));
  const Architecture& a = model.architecture();
  const Graph grouped(a, KeyValueNodes::kGrouped);
  const Graph ungrouped(a, KeyValueNodes::kUngrouped);
  const int64_t element = compute.dtype == "bf16" ? 2 : 4;
  const auto plan = [&](Pass pass) {
    return plan_memory(a, model.parameter_count(), pass, batch, length, element).total();
  };
  ScoreSpec eap;
  eap.ablation = find_ablation("counterfactual");
  Inspected i;
  i.architecture = a;
  i.stored = checkpoint.dtype(model.file_name(model.layout().embedding));
  i.parameters = model.parameter_count();
  i.upstream = grouped.n_upstream();
  i.downstream = grouped.n_downstream();
  i.edges = grouped.n_edges();
  i.edges_ungrouped = ungrouped.n_edges();
  i.batch = batch;
  i.length = length;
  i.forward = plan(Pass::kForward);
  i.discover = plan_score(model, grouped, eap_scorer(), eap, length).total(batch);
  i.train = plan(Pass::kTrain);
  return i;
}

Json inspected_json(const Inspected& i) {
  const Architecture& a = i.architecture;
  return {{"family", a.family},
          {"parameters", i.parameters},
          {"dtype", i.stored},
          {"n_layers", a.n_layers},
          {"n_heads", a.n_heads},
          {"n_kv_heads", a.n_kv_heads},
          {"d_model", a.d_model},
          {"d_head", a.d_head},
          {"d_mlp", a.d_mlp},
          {"vocab", a.vocab},
          {"n_positions", a.n_positions},
          {"tied_unembedding", a.head.tied},
          {"upstream_nodes", i.upstream},
          {"downstream_nodes", i.downstream},
          {"edges", i.edges},
          {"edges_ungrouped", i.edges_ungrouped},
          {"memory",
           {{"batch", i.batch},
            {"length", i.length},
            {"forward", i.forward},
            {"discover", i.discover},
            {"train", i.train}}},
          {"notes", a.notes}};
}

std::string inspected_text(const Inspected& i) {
  const Architecture& a = i.architecture;
  const auto& kinds = a.layer_kinds;
  const auto moe = std::find_if(kinds.begin(), kinds.end(), [](const LayerSpec& k) { return k.mlp.experts.any(); });
  const LayerSpec& spec = moe == kinds.end() ? a.layer(0) : *moe;
  std::vector<std::vector<std::string>> rows{
      {"family", a.family},
      {"parameters", with_commas(i.parameters) + (a.head.tied ? " (tied matrix once)" : "")},
      {"stored as", i.stored},
      {"layers", std::to_string(a.n_layers)},
      {"heads", heads_text(a)},
      {"widths", fmt::format("{} residual, {} MLP{}", a.d_model, a.d_mlp, spec.mlp.gated ? " (gated)" : "")},
      {"experts", experts_text(spec.mlp.experts)},
      {"norm, activation", fmt::format("{}, {}", norm_name(a.norm.kind), activation_name(spec.mlp.activation))},
      {"vocabulary", with_commas(a.vocab)},
      {"positions", with_commas(a.n_positions)},
      {"nodes", fmt::format("{} upstream, {} downstream", i.upstream, i.downstream)},
      {"edges", with_commas(i.edges)}};
  if (i.edges_ungrouped != i.edges) rows.push_back({"edges, ungrouped", with_commas(i.edges_ungrouped)});
  const std::string shape = fmt::format(" at {} x {} tokens", i.batch, i.length);
  rows.push_back({"memory, forward", format_bytes(static_cast<double>(i.forward)) + shape});
  rows.push_back({"memory, discover", format_bytes(static_cast<double>(i.discover)) + shape});
  rows.push_back(
      {"memory, train", format_bytes(static_cast<double>(i.train)) + shape + " (and optimiser state of the slices)"});
  std::string text;
  for (const auto& row : rows) text += fmt::format("{:<18} {}\n", row[0], row[1]);
  for (const std::string& note : a.notes) text += fmt::format("{:<18} {}\n", "note", note);
  return text;
}

}  // namespace circuit
