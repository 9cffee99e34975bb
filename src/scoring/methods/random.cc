// random: scores that know nothing, uniform in [−1, 1): the control of every comparison of methods.
#include "core/error.h"
#include "core/rng.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

ScoreResult score_random(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                         const ScoreSpec& spec, const ProgressCallback& progress) {
  if (examples.empty()) fail("scoring", "there are no examples to score on.");
  ScoreResult result;
  sum_batches(model, examples, spec, progress, &result, [&](const ScoreBatch& batch, ScoreResult* one) {
    const ForwardCache run = forward(model, batch.clean.tokens, Keep::kNothing, {batch.read_rows});
    one->metric = metric_sum(model, batch.clean, spec.metric, run.x_final, nullptr);
    one->examples = batch.clean.examples;
    return std::vector<at::Tensor>();
  });
  result.metric /= static_cast<double>(result.examples);
  Rng rng = Rng(spec.seed).split("random scores");
  for (int64_t e = 0; e < graph.n_edges(); ++e)
    result.scores.values.push_back(static_cast<float>(2 * rng.uniform() - 1));
  return result;
}

}  // namespace

Scorer random_scorer() { return {"random", "uniform random scores: a control", score_random, false, false, {0, 0}}; }

}  // namespace circuit
