// random: scores that know nothing, uniform in [−1, 1): the control of every comparison of methods.
#include "core/rng.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

ScoreResult score_random(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                         const ScoreSpec& spec, const ProgressCallback& progress) {
  ScoreResult result = clean_metric(model, examples, spec, progress);
  Rng rng = Rng(spec.seed).split("random scores");
  for (int64_t e = 0; e < graph.n_edges(); ++e)
    result.scores.values.push_back(static_cast<float>(2 * rng.uniform() - 1));
  return result;
}

}  // namespace

Scorer random_scorer() { return {"random", "uniform random scores: a control", score_random, false, false, {0, 0}}; }

}  // namespace circuit
