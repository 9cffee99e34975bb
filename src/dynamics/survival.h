// How long edges stay in circuits.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace circuit {

// Share of a circuit's edges that are in the circuit `lag` discoveries later (still or again), pooled over all pairs
// of discoveries so far apart; NaN where no circuit has edges.
double retention(const std::vector<Circuit>& circuits, int64_t lag);

// The lag at which a falling curve passes one half, between points by a line; none where it never does.
std::optional<double> half_life(const std::vector<int64_t>& lags, const std::vector<double>& retained);

// Uninterrupted stays, from the discovery that an edge entered at (the first counts as entering) to the one it was
// missing at.
struct Stays {
  int64_t count = 0;
  int64_t censored = 0;          // still there at the last discovery
  std::optional<double> median;  // discoveries, by Kaplan and Meier (1958); none where over half outlast the run
};
Stays stays(const std::vector<Circuit>& circuits);

}  // namespace circuit
