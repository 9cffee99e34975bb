// How far the parameters of every node travelled, as far as a run's store says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/run_reader.h"

namespace circuit {

struct NodeUpdates {
  std::string node;
  int64_t parameters = 0;  // in its slices
  int64_t steps = 0;       // recorded steps at which it was updated
  double path = 0;  // Σ over those of the update's norm, √Σ‖w_after − w_before‖² over the node's slices
};

// By falling path. The store has norms at steps with a discovery only, so a path is of those, and an upper bound of the
// distance they led. Empty for a run that recorded none.
std::vector<NodeUpdates> read_node_updates(RunReader& run);

}  // namespace circuit
