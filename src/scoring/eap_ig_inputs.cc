// eap-ig-inputs (Hanna, Pezzelle, Belinkov 2024, arXiv 2403.17806): the mean gradient over embeddings
// corrupted + α (clean − corrupted), α = 0, 1/m, …, (m − 1)/m; and clean-corrupted: its two ends.
#include <ATen/TensorOperators.h>

#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

// One gradient of a method: at which embeddings it is taken, whose readouts the metric reads.
struct Point {
  double clean_share;  // α
  Side readouts;
  double weight;
};

ScoreResult score_points(const std::vector<Point>& points, const std::string& method, const Model& model,
                         const Graph& graph, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                         const ProgressCallback& progress) {
  require_pairs(examples, method);
  EdgeAccumulator scores(model, graph, {Subtract::kNothing, Rule::kGradient, spec.tile_tokens, spec.spans});
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  const MlpForm form = mlp_form(graph);
  ScoreResult result;
  for_batches(model, examples, spec, progress, [&](const ScoreBatch& batch) {
    ExampleBatch corrupted =
        make_example_batch(batch.examples, model.architecture(), model.device(), Side::kCounterfactual);
    corrupted.full = batch.clean.full;
    const at::Tensor clean_embedding = token_embedding(model, batch.clean.tokens);
    const at::Tensor corrupted_embedding = token_embedding(model, corrupted.tokens);
    const ReadRows reads{{}, false, form == MlpForm::kChannels};
    ForwardCache clean = forward(model, batch.clean.tokens, Keep::kNodeOutputs, reads);
    NodeOutputs without = ablated->of(batch.examples, batch.clean);
    add_metric(model, batch, spec.metric, clean.x_final, without, Rule::kGradient, nullptr, &result);
    NodeOutputs with = node_outputs(model.architecture(), clean, form);
    clean = ForwardCache();
    const NodeOutputs outputs = difference(std::move(with), std::move(without));
    for (const Point& point : points) {
      const bool at_corrupted = point.readouts == Side::kCounterfactual;
      const ExampleBatch& read = at_corrupted ? corrupted : batch.clean;
      const at::Tensor embedding =
          corrupted_embedding + (clean_embedding - corrupted_embedding) * point.clean_share;
      ForwardCache run = forward_from(model, batch.clean.tokens, embedding, Keep::kBackward,
                                      {rows_read(spec.metric, read)});
      at::Tensor d_final;
      metric_sum(model, read, spec.metric, run.x_final, &d_final);
      scores.add(batch.clean.tokens, run, d_final * point.weight, outputs, part_of(batch));
    }
  });
  finish(scores, spec, &result);
  return result;
}

ScoreResult score_inputs(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                         const ScoreSpec& spec, const ProgressCallback& progress) {
  std::vector<Point> points;
  const auto steps = static_cast<double>(spec.ig_steps);
  for (int64_t k = 0; k < spec.ig_steps; ++k) points.push_back({static_cast<double>(k) / steps, Side::kClean, 1 / steps});
  return score_points(points, "eap-ig-inputs", model, graph, examples, spec, progress);
}

ScoreResult score_ends(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                       const ScoreSpec& spec, const ProgressCallback& progress) {
  const std::vector<Point> points{{1, Side::kClean, 0.5}, {0, Side::kCounterfactual, 0.5}};
  return score_points(points, "clean-corrupted", model, graph, examples, spec, progress);
}

}  // namespace

Scorer eap_ig_inputs_scorer() {
  return {"eap-ig-inputs", "mean gradient over inputs between corrupted and clean (--ig-steps)", score_inputs, true, true, {1, 2}};
}

Scorer clean_corrupted_scorer() {
  return {"clean-corrupted", "mean of the gradients at the clean and the corrupted input", score_ends, true, true, {1, 2}};
}

}  // namespace circuit
