// The kinds of nodes a graph has. A block of a layer brings its own (BlockNodes): one file in nodes/ and one line in
// nodes/block_nodes.cc each; `input` and `logits` stand outside the layers. Graph, links, names, drawings, circuit
// files, slices and spans ask the kind or the block, and know no list of their own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/architecture.h"

namespace circuit {

class Graph;
class SliceBuilder;

struct NodeKind {
  // layer, and the node's index among those of its kind in the layer.
  std::string (*name)(const Graph& graph, int64_t layer, int64_t index);
  int64_t (*count)(const Graph& graph, int64_t layer);
  // Of a reader: it is read at one position for outputs at others, so that spans split its scores.
  bool other_positions = false;
  // In a drawing: the columns of its box (lanes stand side by side, from 0), how far above the layer's ground, and the
  // port of the box at which a reader's edges end, left (−1) to right (1); '\0': none.
  int64_t (*lane)(const Graph& graph) = nullptr;
  double rise = 0;  // px
  bool has_ports = false;
  char port = '\0';
  int64_t port_side = 0;
};

// What a layer's slices are for: a node's own, and what goes along with some of them (SlicePolicy).
enum class SlicePart { kOwn, kBias, kNorms, kPostNorm };

struct BlockNodes {
  BlockKind block;
  std::vector<const NodeKind*> writers, readers;  // in the order of the nodes
  void (*slices)(SliceBuilder& builder, int64_t layer, SlicePart part);
};

const std::vector<BlockNodes>& block_nodes();
const BlockNodes& nodes_of_block(BlockKind kind);

extern const NodeKind kInputNode;  // nodes/ends.cc
extern const NodeKind kLogitsNode;
extern const NodeKind kHeadNode, kQueryNode, kKeyNode, kValueNode;  // nodes/attention.cc
extern const NodeKind kMlpNode, kMlpReader, kRouterReader;          // nodes/mlp.cc

BlockNodes attention_nodes();
BlockNodes mlp_nodes();

}  // namespace circuit
