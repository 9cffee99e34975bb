// The computational graph of a transformer whose edges all pass through the residual stream
// (method.md §1): upstream nodes write to it, downstream nodes read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/node_kind.h"
#include "model/architecture.h"

namespace circuit {

// Readers of keys and values: one per key/value head, or one per query head as other tools have them.
enum class KeyValueNodes { kGrouped, kUngrouped };

struct GraphNode {
  const NodeKind* kind = nullptr;
  int64_t layer = -1;  // of `input` and `logits`: none
  int64_t index = 0;   // among those of its kind in the layer: a head, a key/value head, an MLP's block
  bool is(const NodeKind& other) const { return kind == &other; }
};

// Nodes first … first + count − 1 of an order.
struct NodeRange {
  int64_t first = 0;
  int64_t count = 0;
  bool has(int64_t node) const { return node >= first && node < first + count; }

  struct Iterator {
    int64_t node;
    int64_t operator*() const { return node; }
    Iterator& operator++() {
      ++node;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return node != other.node; }
  };
  Iterator begin() const { return {first}; }
  Iterator end() const { return {first + count}; }
};

// The nodes of one kind in a layer, from `first` on of those on their side of it.
struct NodeGroup {
  const NodeKind* kind = nullptr;
  BlockKind block = BlockKind::kAttention;
  int64_t first = 0;
  int64_t count = 0;
};

struct Edge {
  int64_t upstream = 0;
  int64_t downstream = 0;
};

// Orders (method.md §1). Upstream: input, then per layer heads, MLP (blocks). Downstream: per layer q, k, v
// heads, MLP (blocks, then the router of experts); logits last. In a layer the order is that of its blocks and of the
// nodes each brings (node_kind.h). Edges: by downstream node, then upstream. Since a reader sees a prefix of the
// upstream order, edge (u, v) exists exactly when u < visible(v).
class Graph {
 public:
  // mlp_block: channels of one MLP node; 0: an MLP is one node, or of experts each of them. Throws UsageError when it
  // does not divide the channels of some layer's MLP, and where it is given for experts.
  Graph(const Architecture& architecture, KeyValueNodes form, int64_t mlp_block = 0);

  int64_t n_layers() const { return n_layers_; }
  int64_t n_heads() const { return n_heads_; }
  int64_t n_kv_heads() const { return n_kv_heads_; }
  int64_t kv_nodes() const { return kv_nodes_; }  // <k> readers per layer
  bool ungrouped() const { return kv_nodes_ != n_kv_heads_; }
  bool parallel() const { return parallel_; }
  // Of an MLP's nodes in a layer: how many there are, and the channels of each.
  int64_t mlp_blocks(int64_t layer) const { return is_dense(layer) ? 1 : mlp_blocks_; }
  int64_t mlp_block(int64_t layer) const { return mlp_widths_[layer]; }
  // The same of the model: of experts, in the layers that have some.
  int64_t mlp_blocks() const { return mlp_blocks_; }
  // Of MLPs that are experts, which then are the blocks: how many a router chooses from. 0: they are none.
  int64_t routed_experts() const { return routed_experts_; }
  int64_t routed_experts(int64_t layer) const { return is_dense(layer) ? 0 : routed_experts_; }
  bool routers() const { return routed_experts_ > 0; }
  bool has_router(int64_t layer) const { return routed_experts(layer) > 0; }
  bool splits_mlps() const { return mlp_blocks_ > 1 || routers(); }
  // Layers whose MLP is one node though those of others are experts, ascending.
  const std::vector<int64_t>& dense_layers() const { return dense_layers_; }

  int64_t n_upstream() const { return first_writers_.back(); }
  int64_t n_downstream() const { return first_readers_.back() + 1; }
  int64_t readers_in(int64_t layer) const { return first_readers_[layer + 1] - first_readers_[layer]; }
  int64_t n_edges() const { return offsets_.back(); }

  // What a layer has, in the order of its blocks and of their kinds of nodes.
  const std::vector<NodeGroup>& writer_groups(int64_t layer) const { return form_of(layer).writers; }
  const std::vector<NodeGroup>& reader_groups(int64_t layer) const { return form_of(layer).readers; }
  // A node by its kind; layer and index as GraphNode's.
  int64_t writer(const NodeKind& kind, int64_t layer, int64_t index) const;
  int64_t reader(const NodeKind& kind, int64_t layer, int64_t index) const;

  int64_t head(int64_t layer, int64_t h) const { return writer(kHeadNode, layer, h); }
  int64_t mlp(int64_t layer, int64_t block = 0) const { return writer(kMlpNode, layer, block); }
  int64_t query(int64_t layer, int64_t h) const { return reader(kQueryNode, layer, h); }
  int64_t key(int64_t layer, int64_t g) const { return reader(kKeyNode, layer, g); }
  int64_t value(int64_t layer, int64_t g) const { return reader(kValueNode, layer, g); }
  int64_t mlp_in(int64_t layer, int64_t block = 0) const { return reader(kMlpReader, layer, block); }
  int64_t router(int64_t layer) const { return reader(kRouterReader, layer, 0); }
  int64_t logits() const { return n_downstream() - 1; }

  // The nodes of a block: those it writes through, those it reads through.
  NodeRange writers(const Block& block) const;
  NodeRange readers(const Block& block) const;

  GraphNode upstream(int64_t u) const;
  GraphNode downstream(int64_t v) const;

  // Number of upstream nodes whose output v reads: 0 … visible(v) − 1.
  int64_t visible(int64_t v) const { return offsets_[v + 1] - offsets_[v]; }
  int64_t first_edge(int64_t v) const { return offsets_[v]; }
  int64_t edge_id(int64_t u, int64_t v) const { return offsets_[v] + u; }
  Edge edge(int64_t id) const;

  // Names as the field writes them: "a0.h3", "m5", "a0.h3<q>", "a0.kv1<k>", "logits"; a block is "m5.b2".
  std::string upstream_name(int64_t u) const;
  std::string downstream_name(int64_t v) const;
  std::string edge_name(int64_t id) const;  // "input->a0.h0<q>"
  std::optional<int64_t> find_edge(const std::string& name) const;

 private:
  struct LayerNodes {
    std::vector<NodeGroup> writers, readers;
  };
  LayerNodes nodes_in_layer(const LayerSpec& spec, int64_t layer) const;
  bool is_dense(int64_t layer) const { return !dense_.empty() && dense_[layer]; }
  const LayerNodes& form_of(int64_t layer) const { return forms_[is_dense(layer) ? 1 : 0]; }

  int64_t n_layers_, n_heads_, n_kv_heads_, kv_nodes_, mlp_blocks_ = 1, routed_experts_ = 0;
  bool parallel_;
  std::vector<int64_t> mlp_widths_;  // by layer
  std::vector<int64_t> dense_layers_;
  std::vector<bool> dense_;  // by layer; empty: none
  LayerNodes forms_[2];      // what layers have; a dense one beside experts
  // The first node of every layer, and the number of them all (of readers without logits).
  std::vector<int64_t> first_writers_, first_readers_;
  std::vector<int64_t> offsets_;  // first edge of each downstream node; the last entry is n_edges
};

// A score per edge, in edge order; metric units per example (method.md §2).
struct EdgeScores {
  std::vector<float> values;
};

// Σ_v S(u→v) of every upstream node.
std::vector<double> node_scores(const Graph& graph, const EdgeScores& scores);

// A set of edges, ascending ids.
struct Circuit {
  std::vector<int64_t> edges;
};

// Which nodes the edges of a circuit touch.
struct CircuitNodes {
  std::vector<bool> upstream, downstream;
  int64_t count() const;
};
CircuitNodes nodes_of(const Graph& graph, const Circuit& circuit);

// Graphviz DOT of a circuit; edge width by |score|, colour by sign.
std::string to_dot(const Graph& graph, const Circuit& circuit, const EdgeScores& scores);

}  // namespace circuit
