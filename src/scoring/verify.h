// How far scores are from the truth: some edges ablated one by one (method.md §2, `exact`).
#pragma once

#include <vector>

#include "core/rng.h"
#include "scoring/scorer.h"

namespace circuit {

// Scores against exact effects on a set of edges.
struct Agreement {
  int64_t edges = 0;
  double pearson = 0;         // correlation of score and effect; NaN where one of them does not vary
  double sign_agreement = 0;  // share of edges whose score and effect have the same sign; zeros agree with none
};

struct Verification {
  Agreement sampled;  // edges drawn uniformly
  Agreement top;      // edges of largest |score|
};

// `count` edges of each kind (fewer when the graph has fewer).
Verification verify_scores(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                           const ScoreSpec& spec, const EdgeScores& scores, int64_t count, Rng& rng,
                           const ProgressCallback& progress);

Agreement agreement(const std::vector<double>& scores, const std::vector<double>& effects);

}  // namespace circuit
