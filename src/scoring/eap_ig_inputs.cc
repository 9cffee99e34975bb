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
  EdgeAccumulator scores(model, graph, Subtract::kNothing, spec.tile_tokens);
  const auto ablated = ablated_outputs(model, examples, spec);
  ScoreResult result;
  for_batches(model, examples, spec, progress, [&](const ScoreBatch& batch) {
    const ExampleBatch corrupted =
        make_example_batch(batch.examples, model.architecture(), model.device(), Side::kCounterfactual);
    const at::Tensor clean_embedding = token_embedding(model, batch.clean.tokens);
    const at::Tensor corrupted_embedding = token_embedding(model, corrupted.tokens);
    const ForwardCache clean = forward(model, batch.clean.tokens, Keep::kNodeOutputs);
    result.metric += metric_sum(model, batch.clean, spec.metric, clean.x_final, nullptr);
    const NodeOutputs outputs = difference(node_outputs(clean), ablated->of(batch.examples, batch.clean));
    for (const Point& point : points) {
      const bool at_corrupted = point.readouts == Side::kCounterfactual;
      const ExampleBatch& read = at_corrupted ? corrupted : batch.clean;
      const at::Tensor embedding =
          corrupted_embedding + (clean_embedding - corrupted_embedding) * point.clean_share;
      ForwardCache run = forward_from(model, batch.clean.tokens, embedding, Keep::kBackward,
                                      {rows_read(spec.metric, read)});
      at::Tensor d_final;
      metric_sum(model, read, spec.metric, run.x_final, &d_final);
      scores.add(batch.clean.tokens, run, d_final * point.weight, outputs, batch.scored_rows, CacheUse::kRelease);
    }
    result.examples += batch.clean.examples;
  });
  result.scores = scores.finish(result.examples, &result.sum_rule_error);
  result.metric /= static_cast<double>(result.examples);
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
  return {"eap-ig-inputs", "mean gradient over inputs between corrupted and clean (--ig-steps)", score_inputs, true};
}

Scorer clean_corrupted_scorer() {
  return {"clean-corrupted", "mean of the gradients at the clean and the corrupted input", score_ends, true};
}

}  // namespace circuit
