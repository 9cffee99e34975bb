// How and how often a run finds circuits.
#pragma once

#include <cstdint>

#include "graph/graph_form.h"
#include "scoring/score_settings.h"

namespace circuit {

struct DiscoverySettings {
  ScoreSettings score;
  int64_t every = 1;    // K, steps between discoveries
  int64_t batches = 0;  // drawn for a discovery; 0: the step's own
  GraphForm graph;
  double smoothing = 0;  // α of S̄ ← α S̄ + (1 − α) S

  void declare(Settings* settings);
};

}  // namespace circuit
