#include "core/error.h"
#include "model/blocks/block.h"

namespace circuit {

const std::vector<BlockMethods>& block_kinds() {
  static const std::vector<BlockMethods> all{attention_block(), mlp_block()};
  return all;
}

const BlockMethods& methods_of(BlockKind kind) {
  for (const BlockMethods& methods : block_kinds()) {
    if (methods.kind == kind) return methods;
  }
  fail("model", "a layer has a kind of block that is not in the list.");
}

bool mixed_after(const LayerSpec& layer, const BlockSpec& block) {
  for (auto later = layer.blocks.rbegin(); &*later != &block; ++later) {
    if (methods_of(later->kind).mixes_positions) return true;
  }
  return false;
}

BlockCost layer_cost(const Architecture& architecture, int64_t l, int64_t longest) {
  BlockCost sum;
  for (const BlockSpec& block : architecture.layer(l).blocks) {
    const BlockCost cost = methods_of(block.kind).cost(architecture, l, longest);
    sum.made += cost.made;
    sum.probs += cost.probs;
    sum.slopes += cost.slopes;
    sum.kept += cost.kept;
    sum.released += cost.released;
    sum.node_outputs += cost.node_outputs;
  }
  return sum;
}

}  // namespace circuit
