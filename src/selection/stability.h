// Which edges of a circuit would be selected again with other examples: the bootstrap over examples, made of
// scores of disjoint parts of them, since scores are means over examples.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"

namespace circuit {

// Parts that examples are cut into: as many as examples, at most this: scores of each are held at once.
constexpr int64_t kMostParts = 50;

// Sizes of the parts, as equal as they can be; in order they make all examples.
std::vector<int64_t> part_sizes(int64_t examples);

struct PartScores {
  std::vector<EdgeScores> parts;  // each the mean over its examples
  std::vector<int64_t> examples;  // how many those are
};

// The mean over all examples: parts weighted by their examples. Sums in float64.
EdgeScores whole_scores(const PartScores& scores);

// Per edge, in edge order, the share of `resamples` draws of as many parts with replacement in whose weighted
// mean `select` takes the edge. resamples ≥ 1.
std::vector<float> selection_stability(const PartScores& scores,
                                       const std::function<Circuit(const EdgeScores&)>& select, int64_t resamples,
                                       Rng& rng);

// The edges of a circuit that were selected in at least `share` of the resamples.
Circuit stable_edges(const Circuit& circuit, const std::vector<float>& stability, double share);

}  // namespace circuit
