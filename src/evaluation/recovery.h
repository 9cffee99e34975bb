// A circuit against a reference one: which of its edges were found, and how the scores rank them.
#pragma once

#include "graph/graph.h"

namespace circuit {

// Edges marked by a reference against scores: precision and recall of `found`, and the chance that a marked
// edge outranks an unmarked one by |score| (ties count half). NaN where there is nothing to count over: no
// found edge, no marked one, or no unmarked one.
struct Recovery {
  double precision = 0, recall = 0, auroc = 0;
};
Recovery recovery(const Circuit& found, const EdgeScores& scores, const Circuit& reference);

}  // namespace circuit
