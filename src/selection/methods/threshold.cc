// threshold τ: every edge with |S| ≥ τ, except zeros.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "selection/ranking.h"
#include "selection/selector.h"

namespace circuit {
namespace {

const Parameter<double> kThreshold("threshold", 0, "Least |score| of kind threshold.", 0, 1e12);

Circuit select_threshold(const SelectionInput& input, const SelectionSpec& spec, Rng&) {
  const double given = kThreshold.of(spec.own);
  if (!std::isfinite(given) || given < 0) {
    throw UsageError(fmt::format("[selection] threshold: found {}, expected a number of at least 0.", given));
  }
  const std::vector<double> strength = strengths(input, spec);
  // Rounded as scores are, so that a τ copied from a file's "0.7" takes the edge that has it.
  constexpr double kLargest = std::numeric_limits<float>::max();
  const double threshold = static_cast<float>(std::min(given, kLargest));
  Circuit circuit;
  for (int64_t id = 0; id < input.graph.n_edges(); ++id) {
    if (strength[id] > 0 && strength[id] >= threshold) circuit.edges.push_back(id);
  }
  return circuit;
}

}  // namespace

Selector threshold_selector() {
  return {"threshold", "the edges whose |score| reaches the threshold", select_threshold, {&kThreshold}};
}

}  // namespace circuit
