#include "graph/graph.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"

namespace circuit {
namespace {

int64_t block_width(const Architecture& architecture, int64_t mlp_block) {
  const int64_t d_mlp = architecture.d_mlp;
  const ExpertsSpec& experts = architecture.layer(0).mlp.experts;
  if (experts.any() && mlp_block != 0) {
    throw UsageError("[graph] MLP blocks: this model's MLPs are experts, which are nodes already.");
  }
  if (experts.any()) return experts.width;
  if (mlp_block == 0) return d_mlp;
  if (mlp_block > 0 && d_mlp % mlp_block == 0) return mlp_block;
  throw UsageError(
      fmt::format("[graph] MLP blocks of {} channels: the MLP has {}, which they must divide.", mlp_block, d_mlp));
}

bool same_order(const LayerSpec& a, const LayerSpec& b) {
  return std::equal(a.blocks.begin(), a.blocks.end(), b.blocks.begin(), b.blocks.end(),
                    [](const BlockSpec& x, const BlockSpec& y) { return x.kind == y.kind; });
}

void append(const NodeKind& kind, BlockKind block, const Graph& graph, std::vector<NodeGroup>* groups) {
  const int64_t first = groups->empty() ? 0 : groups->back().first + groups->back().count;
  const int64_t count = kind.count(graph);
  if (count > 0) groups->push_back({&kind, block, first, count});
}

const NodeGroup& group_of(const std::vector<NodeGroup>& groups, const NodeKind& kind) {
  for (const NodeGroup& group : groups) {
    if (group.kind == &kind) return group;
  }
  fail("graph", "the model has no such nodes.");
}

// A block's, of those of one layer.
NodeRange nodes_in(const std::vector<NodeGroup>& groups, BlockKind block) {
  NodeRange nodes;
  for (const NodeGroup& group : groups) {
    if (group.block != block) continue;
    if (nodes.count == 0) nodes.first = group.first;
    nodes.count += group.count;
  }
  return nodes;
}

GraphNode node_at(const std::vector<NodeGroup>& groups, int64_t layer, int64_t place) {
  auto group = groups.rbegin();
  while (group->first > place) ++group;
  return {group->kind, layer, place - group->first};
}

}  // namespace

Graph::Graph(const Architecture& architecture, KeyValueNodes form, int64_t mlp_block)
    : n_layers_(architecture.n_layers),
      n_heads_(architecture.n_heads),
      n_kv_heads_(architecture.n_kv_heads),
      kv_nodes_(form == KeyValueNodes::kGrouped ? architecture.n_kv_heads : architecture.n_heads),
      mlp_blocks_(mlp_block == 0 && !architecture.layer(0).mlp.experts.any()
                      ? 1
                      : architecture.d_mlp / block_width(architecture, mlp_block)),
      mlp_block_(block_width(architecture, mlp_block)),
      routed_experts_(architecture.layer(0).mlp.experts.routed),
      parallel_(architecture.layer(0).parallel()) {
  for (const BlockSpec& block : architecture.layer(0).blocks) {
    const BlockNodes& nodes = nodes_of_block(block.kind);
    for (const NodeKind* kind : nodes.writers) append(*kind, block.kind, *this, &writers_);
    for (const NodeKind* kind : nodes.readers) append(*kind, block.kind, *this, &readers_);
  }
  offsets_.reserve(n_downstream() + 1);
  offsets_.push_back(0);
  for (int64_t l = 0; l < n_layers_; ++l) {
    if (!same_order(architecture.layer(l), architecture.layer(0))) {
      fail("graph", "layer {} has other blocks than layer 0, or in another order.", l);
    }
    const int64_t before = 1 + l * writers_per_layer();
    int64_t written = before;  // by the layer's blocks so far
    for (const BlockSpec& block : architecture.layer(l).blocks) {
      const int64_t seen = block.reads == BlockReads::kLayerInput ? before : written;
      for (int64_t i = 0; i < readers({block.kind, l}).count; ++i) offsets_.push_back(offsets_.back() + seen);
      written += writers({block.kind, l}).count;
    }
  }
  offsets_.push_back(offsets_.back() + n_upstream());
}

int64_t Graph::writer(const NodeKind& kind, int64_t layer, int64_t index) const {
  return 1 + layer * writers_per_layer() + group_of(writers_, kind).first + index;
}

int64_t Graph::reader(const NodeKind& kind, int64_t layer, int64_t index) const {
  return layer * readers_per_layer() + group_of(readers_, kind).first + index;
}

NodeRange Graph::writers(const Block& block) const {
  const NodeRange nodes = nodes_in(writers_, block.kind);
  return {1 + block.layer * writers_per_layer() + nodes.first, nodes.count};
}

NodeRange Graph::readers(const Block& block) const {
  const NodeRange nodes = nodes_in(readers_, block.kind);
  return {block.layer * readers_per_layer() + nodes.first, nodes.count};
}

GraphNode Graph::upstream(int64_t u) const {
  if (u == 0) return {&kInputNode};
  return node_at(writers_, (u - 1) / writers_per_layer(), (u - 1) % writers_per_layer());
}

GraphNode Graph::downstream(int64_t v) const {
  if (v == logits()) return {&kLogitsNode};
  return node_at(readers_, v / readers_per_layer(), v % readers_per_layer());
}

Edge Graph::edge(int64_t id) const {
  const auto next = std::upper_bound(offsets_.begin(), offsets_.end(), id);
  const int64_t v = next - offsets_.begin() - 1;
  return {id - offsets_[v], v};
}

std::string Graph::upstream_name(int64_t u) const {
  const GraphNode node = upstream(u);
  return node.kind->name(*this, node.layer, node.index);
}

std::string Graph::downstream_name(int64_t v) const {
  const GraphNode node = downstream(v);
  return node.kind->name(*this, node.layer, node.index);
}

std::string Graph::edge_name(int64_t id) const {
  const Edge e = edge(id);
  return upstream_name(e.upstream) + "->" + downstream_name(e.downstream);
}

std::optional<int64_t> Graph::find_edge(const std::string& name) const {
  const size_t arrow = name.find("->");
  if (arrow == std::string::npos) return std::nullopt;
  const std::string from = name.substr(0, arrow);
  const std::string to = name.substr(arrow + 2);
  for (int64_t v = 0; v < n_downstream(); ++v) {
    if (downstream_name(v) != to) continue;
    for (int64_t u = 0; u < visible(v); ++u) {
      if (upstream_name(u) == from) return edge_id(u, v);
    }
  }
  return std::nullopt;
}

std::vector<double> node_scores(const Graph& graph, const EdgeScores& scores) {
  std::vector<double> sums(graph.n_upstream());
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    for (int64_t u = 0; u < graph.visible(v); ++u) sums[u] += scores.values[graph.edge_id(u, v)];
  }
  return sums;
}

int64_t CircuitNodes::count() const {
  return std::count(upstream.begin(), upstream.end(), true) + std::count(downstream.begin(), downstream.end(), true);
}

CircuitNodes nodes_of(const Graph& graph, const Circuit& circuit) {
  CircuitNodes nodes{std::vector<bool>(graph.n_upstream()), std::vector<bool>(graph.n_downstream())};
  for (const int64_t id : circuit.edges) {
    const Edge e = graph.edge(id);
    nodes.upstream[e.upstream] = true;
    nodes.downstream[e.downstream] = true;
  }
  return nodes;
}

}  // namespace circuit
