// How fine a graph's nodes are.
#pragma once

#include <cstdint>

#include "core/settings.h"
#include "graph/graph.h"

namespace circuit {

struct GraphForm {
  bool ungrouped = false;
  int64_t mlp_block = 0;  // channels; 0: an MLP is one node

  void declare(Settings* settings);
  // Throws UsageError where mlp_block does not divide the architecture's channels.
  Graph graph(const Architecture& architecture) const;
};

}  // namespace circuit
