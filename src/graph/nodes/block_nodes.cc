#include "core/error.h"
#include "graph/node_kind.h"

namespace circuit {

const std::vector<BlockNodes>& block_nodes() {
  static const std::vector<BlockNodes> all{attention_nodes(), mlp_nodes()};
  return all;
}

const BlockNodes& nodes_of_block(BlockKind kind) {
  for (const BlockNodes& nodes : block_nodes()) {
    if (nodes.block == kind) return nodes;
  }
  fail("graph", "a layer has a block without nodes.");
}

}  // namespace circuit
