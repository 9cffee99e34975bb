#include "graph/graph_form.h"

namespace circuit {

void GraphForm::declare(Settings* s) {
  s->add("ungrouped", &ungrouped, "Key and value readers per query head.");
  s->add("mlp_block", &mlp_block, "Channels of an MLP node; 0: an MLP is one node.").at_least(0).in("channels");
}

Graph GraphForm::graph(const Architecture& architecture) const {
  return {architecture, ungrouped ? KeyValueNodes::kUngrouped : KeyValueNodes::kGrouped, mlp_block};
}

}  // namespace circuit
