// Any scorer's scores part by part, so that the selection can be made again on
// resampled examples.
#pragma once

#include "scoring/scorer.h"
#include "selection/stability.h"

namespace circuit {

struct ScoredParts {
  PartScores parts;
  ScoreResult whole;  // the score of all examples, up to rounding; the largest sum rule error of a part
};

// Scores disjoint parts of the examples apart, in their order. Means that ablations take are over all
// examples (or the given reference) in every part, so the parts' mean is the score of all.
ScoredParts score_in_parts(const Scorer& scorer, const Model& model, const Graph& graph,
                           const std::vector<const Example*>& examples, const ScoreSpec& spec,
                           const ProgressCallback& progress);

}  // namespace circuit
