// eap-ig-activations (Hanna, Pezzelle, Belinkov 2024, arXiv 2403.17806, as their code computes it): for each of the
// 2L + 1 blocks (input; all heads of a layer; an MLP) and α = 1/m, 2/m … 1 the gradient with that block's output
// held at α A + (1 − α) Ā, averaged over blocks and α for every edge. A reader of the block that is held has no
// gradient. eap-ig-activations-own: an edge takes the mean over α with its own upstream block held, no other.
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

#include "core/error.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

enum class Blocks { kAll, kOwn };

// A block of the graph, and which upstream nodes are in it.
struct HeldBlock {
  std::optional<Block> block;  // none: input
  NodeRange nodes;
};

std::vector<HeldBlock> blocks_of(const Architecture& architecture, const Graph& graph) {
  std::vector<HeldBlock> blocks{{std::nullopt, {0, 1}}};
  for (int64_t l = 0; l < graph.n_layers(); ++l) {
    for (const BlockSpec& spec : architecture.layer(l).blocks) {
      const Block block{spec.kind, l};
      blocks.push_back({block, graph.writers(block)});
    }
  }
  return blocks;
}

// α A + (1 − α) Ā of one block, in the form a forward takes it.
at::Tensor held_output(const Model& model, const HeldBlock& held, const NodeOutputs& clean, const NodeOutputs& ablated,
                       MlpForm form, double alpha) {
  const auto between = [&](const at::Tensor& a, const at::Tensor& b) { return a * alpha + b * (1 - alpha); };
  if (!held.block) return between(clean.input, ablated.input);
  at::Tensor output = between(clean.of(*held.block), ablated.of(*held.block));
  const bool channels = held.block->kind == BlockKind::kMlp && form == MlpForm::kChannels;
  if (!channels) return output;
  const int64_t l = held.block->layer;
  const double residual = model.architecture().layer(l).residual;
  const at::Tensor written = hidden_to_output(model.layers()[l], output);
  return residual == 1 ? written : written * residual;
}

ScoreResult score_blocks(Blocks which, const Model& model, const Graph& graph,
                         const std::vector<const Example*>& examples, const ScoreSpec& spec,
                         const ProgressCallback& progress) {
  EdgeAccumulator scores(model, graph, {Subtract::kNothing, Rule::kGradient, spec.tile_tokens, spec.spans});
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  const MlpForm form = mlp_form(graph);
  const std::vector<HeldBlock> blocks = blocks_of(model.architecture(), graph);
  const auto gradients =
      static_cast<double>(kIgSteps.of(spec.own)) * (which == Blocks::kAll ? static_cast<double>(blocks.size()) : 1);
  const auto add = [&](const ScoreBatch& batch, ScoreResult* one_batch) {
    const TokenBatch& tokens = batch.clean.tokens;
    const ReadRows reads{batch.read_rows};
    const ForwardCache clean = forward(model, tokens, Keep::kBackwardAndNodeOutputs);
    const NodeOutputs without = ablated->of(batch.examples, batch.clean);
    add_metric(model, batch, spec.metric, clean.x_final, without, Rule::kGradient, nullptr, one_batch);
    const NodeOutputs with = node_outputs(model.architecture(), clean, form);
    const NodeOutputs outputs = difference(with, without);
    for (const HeldBlock& held : blocks) {
      const auto next = [&](int64_t k) {
        const double alpha = static_cast<double>(k + 1) / static_cast<double>(kIgSteps.of(spec.own));
        const at::Tensor output = held_output(model, held, with, without, form, alpha);
        GradientRun one;
        one.run = held.block ? forward_replacing(model, tokens, clean, {*held.block, output}, Keep::kBackward, reads)
                             : forward_from(model, tokens, output, Keep::kBackward, reads);
        metric_sum(model, batch.clean, spec.metric, one.run.x_final, &one.d_final);
        one.d_final = one.d_final / gradients;
        return one;
      };
      ScoredPart part = part_of(batch);
      if (which == Blocks::kOwn) part.upstream = &held.nodes;
      scores.add_runs(tokens, outputs, part, kIgSteps.of(spec.own), next);
    }
  };
  ScoreResult result;
  sum_batches(model, examples, spec, progress, &scores, &result, add);
  finish(scores, spec, &result);
  return result;
}

ScoreResult score_all(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                      const ScoreSpec& spec, const ProgressCallback& progress) {
  return score_blocks(Blocks::kAll, model, graph, examples, spec, progress);
}

ScoreResult score_own(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                      const ScoreSpec& spec, const ProgressCallback& progress) {
  return score_blocks(Blocks::kOwn, model, graph, examples, spec, progress);
}

}  // namespace

Scorer eap_ig_activations_scorer() {
  return {"eap-ig-activations",
          "mean gradient with one block's output between ablated and clean, over all blocks",
          score_all,
          false,
          true,
          {2, 3, kRunsAtOnce},
          nullptr,
          {&kIgSteps}};
}

Scorer eap_ig_activations_own_scorer() {
  return {"eap-ig-activations-own",
          "the same, each edge with its own upstream block only",
          score_own,
          false,
          true,
          {2, 3, kRunsAtOnce},
          nullptr,
          {&kIgSteps}};
}

}  // namespace circuit
