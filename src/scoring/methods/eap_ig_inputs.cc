// eap-ig-inputs (Hanna, Pezzelle, Belinkov 2024, arXiv 2403.17806): the mean gradient over embeddings
// corrupted + α (clean − corrupted), α = 0, 1/m, …, (m − 1)/m; and clean-corrupted: its two ends.
#include <ATen/TensorOperators.h>

#include <algorithm>

#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

// One gradient of a method: at which embeddings it is taken, whose readouts the metric reads.
struct Point {
  double clean_share;  // α
  Side readouts;
  double weight;
};

bool at_clean(const Point& point) { return point.clean_share == 1 && point.readouts == Side::kClean; }

bool same_rows(const at::Tensor& a, const at::Tensor& b) { return a.defined() && b.defined() && a.equal(b); }

ScoreResult score_points(const std::vector<Point>& points, const std::string& method, const Model& model,
                         const Graph& graph, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                         const ProgressCallback& progress) {
  require_pairs(examples, method);
  EdgeAccumulator scores(model, graph, {Subtract::kNothing, Rule::kGradient, spec.tile_tokens, spec.spans});
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  const MlpForm form = mlp_form(graph);
  const auto add = [&](const ScoreBatch& batch, ScoreResult* one_batch) {
    const TokenBatch& tokens = batch.clean.tokens;
    ExampleBatch corrupted =
        make_example_batch(batch.examples, model.architecture(), model.device(), Side::kCounterfactual);
    corrupted.full = batch.clean.full;
    const at::Tensor clean_embedding = token_embedding(model, tokens);
    const at::Tensor corrupted_embedding = token_embedding(model, corrupted.tokens);
    // Where other rows are read of the corrupted side, `logits` has a gradient there too.
    const bool one_side =
        std::all_of(points.begin(), points.end(), [](const Point& p) { return p.readouts == Side::kClean; });
    const bool everywhere = !one_side && !same_rows(batch.read_rows, rows_read(spec.metric, corrupted));
    const ReadRows reads{batch.read_rows, everywhere, form == MlpForm::kChannels};
    // A first point at the clean input takes the run that the outputs come from.
    const bool shared = at_clean(points[0]);
    ForwardCache clean = forward(model, tokens, shared ? Keep::kBackwardAndNodeOutputs : Keep::kNodeOutputs, reads);
    NodeOutputs without = ablated->of(batch.examples, batch.clean, {batch.read_rows, everywhere});
    at::Tensor d_clean;
    add_metric(model, batch, spec.metric, clean.x_final, without, Rule::kGradient, shared ? &d_clean : nullptr,
               one_batch);
    NodeOutputs with = node_outputs(model.architecture(), clean, form);
    if (shared) {
      release_node_outputs(&clean);
    } else {
      clean = ForwardCache();
    }
    const auto next = [&](int64_t k) {
      const Point& point = points[k];
      GradientRun one;
      if (k == 0 && shared) {
        one = {std::move(clean), d_clean};
      } else {
        const ExampleBatch& read = point.readouts == Side::kCounterfactual ? corrupted : batch.clean;
        const at::Tensor embedding = corrupted_embedding + (clean_embedding - corrupted_embedding) * point.clean_share;
        one.run = forward_from(model, tokens, embedding, Keep::kBackward, {rows_read(spec.metric, read)});
        metric_sum(model, read, spec.metric, one.run.x_final, &one.d_final);
      }
      one.d_final = one.d_final * point.weight;
      return one;
    };
    scores.add_runs(tokens, difference(std::move(with), std::move(without)), part_of(batch),
                    static_cast<int64_t>(points.size()), next);
  };
  ScoreResult result;
  sum_batches(model, examples, spec, progress, &scores, &result, add);
  finish(scores, spec, &result);
  return result;
}

ScoreResult score_inputs(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                         const ScoreSpec& spec, const ProgressCallback& progress) {
  std::vector<Point> points;
  const auto steps = static_cast<double>(kIgSteps.of(spec.own));
  for (int64_t k = 0; k < kIgSteps.of(spec.own); ++k)
    points.push_back({static_cast<double>(k) / steps, Side::kClean, 1 / steps});
  return score_points(points, "eap-ig-inputs", model, graph, examples, spec, progress);
}

ScoreResult score_ends(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                       const ScoreSpec& spec, const ProgressCallback& progress) {
  const std::vector<Point> points{{1, Side::kClean, 0.5}, {0, Side::kCounterfactual, 0.5}};
  return score_points(points, "clean-corrupted", model, graph, examples, spec, progress);
}

}  // namespace

Scorer eap_ig_inputs_scorer() {
  return {"eap-ig-inputs",
          "mean gradient over inputs between corrupted and clean (ig_steps)",
          score_inputs,
          true,
          true,
          {1, 1, kRunsAtOnce},
          nullptr,
          {&kIgSteps}};
}

Scorer clean_corrupted_scorer() {
  return {"clean-corrupted", "mean of the gradients at the clean and the corrupted input", score_ends, true, true,
          {1, 1, 2}};
}

}  // namespace circuit
