// Whether a circuit could do without its edges, one at a time (method.md §6).
#pragma once

#include <vector>

#include "evaluation/bootstrap.h"
#include "evaluation/circuits.h"

namespace circuit {

// An edge is redundant when m moves by less than this share of |m(full) − m(∅)| without it, or by no more than
// rounding.
constexpr double kRedundantShare = 0.01;

// The circuit without one of its edges, for up to `most` edges drawn without replacement. Not pruned.
std::vector<Circuit> without_sampled_edges(const Circuit& circuit, int64_t most, Rng& rng);

struct Minimality {
  Estimate share;      // of the sampled edges that are not redundant, with its interval over them
  int64_t sample = 0;  // edges taken out, one at a time
};

// without: outcomes of those circuits, at least one; a circuit that its edge's loss leaves nothing of counts
// like any other.
Minimality minimality(const CircuitOutcome& circuit, const std::vector<CircuitOutcome>& without,
                      const CircuitOutcome& full, const CircuitOutcome& empty, Rng& rng);

}  // namespace circuit
