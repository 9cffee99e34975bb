// The pieces that are timed, and their floors: GEMM work over the GEMM rate measured here and now.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "model/model.h"
#include "scoring/scorer.h"

namespace circuit::bench {

// GFLOP/s of the multiplications a step is made of, weighted as there: forward shapes of one layer, in the
// dtype of the model.
double gemm_rate(const Model& model, int64_t tokens);

// GFLOP on so many tokens, attention's own products left out (as method.md counts).
struct Work {
  double forward;      // of one forward without logits; a backward without weight gradients takes as much
  double logits;       // at every token
  double rebuild;      // A_u and the readers' gradients
  double contraction;  // over real edges
  double plain() const { return 3 * (forward + logits); }
};
Work work_of(const Model& model, const Graph& graph, int64_t tokens);

// Forward, loss, backward with the gradients of all weights.
void plain(const Model& model, const std::vector<Example>& examples);

// One batch of a method, logit difference.
ScoreSpec score_spec(const std::vector<Example>& examples, const Ablation* ablation = find_ablation("counterfactual"));
ScoreResult score(const std::string& method, const Model& model, const Graph& graph,
                  const std::vector<Example>& examples, const Ablation* ablation = find_ablation("counterfactual"));

}  // namespace circuit::bench
