// magnitude: S(u→v) = ‖W_out,u‖_F · ‖W_in,v‖_F, from the weights alone: the least that a method which looks at the task
// must beat. An edge has no weight of its own; this bounds the Frobenius norm of W_out,u W_in,v.
#include <ATen/TensorOperators.h>

#include "scoring/channel_weights.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

ScoreResult score_magnitude(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                            const ScoreSpec& spec, const ProgressCallback& progress) {
  ScoreResult result = clean_metric(model, examples, spec, progress);
  const at::Tensor written = writer_squares(model, graph).sum(1);  // [upstream]
  const at::Tensor read = reader_squares(model, graph).sum(1);     // [downstream]
  result.scores = root_scores(graph, written.unsqueeze(1) * read.unsqueeze(0), 1);
  return result;
}

}  // namespace

Scorer magnitude_scorer() {
  return {"magnitude",     "size of the weights at both ends, whatever the records: a baseline",
          score_magnitude, false,
          false,           {0, 0}};
}

}  // namespace circuit
