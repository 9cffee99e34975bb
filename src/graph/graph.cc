#include "graph/graph.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"

namespace circuit {
namespace {

// Channels of one MLP node of a layer.
int64_t block_width(const Architecture& architecture, int64_t layer, int64_t mlp_block) {
  const ExpertsSpec& experts = architecture.layer(layer).mlp.experts;
  const int64_t channels = architecture.mlp_channels(layer);
  if (experts.any()) return experts.width;
  if (mlp_block == 0) return channels;
  if (mlp_block > 0 && channels % mlp_block == 0) return mlp_block;
  throw UsageError(
      fmt::format("[graph] MLP blocks of {} channels: the MLP has {}, which they must divide.", mlp_block, channels));
}

bool same_order(const LayerSpec& a, const LayerSpec& b) {
  return std::equal(a.blocks.begin(), a.blocks.end(), b.blocks.begin(), b.blocks.end(),
                    [](const BlockSpec& x, const BlockSpec& y) { return x.kind == y.kind; });
}

int64_t end_of(const std::vector<NodeGroup>& groups) {
  return groups.empty() ? 0 : groups.back().first + groups.back().count;
}

void append(const NodeKind& kind, BlockKind block, int64_t count, std::vector<NodeGroup>* groups) {
  if (count > 0) groups->push_back({&kind, block, end_of(*groups), count});
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

int64_t layer_with(const std::vector<int64_t>& firsts, int64_t node) {
  return std::upper_bound(firsts.begin(), firsts.end(), node) - firsts.begin() - 1;
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
      parallel_(architecture.layer(0).parallel()) {
  const auto& kinds = architecture.layer_kinds;
  const bool any = std::any_of(kinds.begin(), kinds.end(), [](const LayerSpec& k) { return k.mlp.experts.any(); });
  if (any && mlp_block != 0) {
    throw UsageError("[graph] MLP blocks: this model's MLPs are experts, which are nodes already.");
  }
  for (int64_t l = 0; l < n_layers_; ++l) {
    const ExpertsSpec& experts = architecture.layer(l).mlp.experts;
    mlp_widths_.push_back(block_width(architecture, l, mlp_block));
    // An MLP that is one node may be of a shape that does not say its channels.
    const bool one = mlp_block == 0 && !experts.any();
    const int64_t blocks = one ? 1 : architecture.mlp_channels(l) / mlp_widths_.back();
    if (!experts.any()) dense_layers_.push_back(l);
    if (experts.any() || routed_experts_ == 0) mlp_blocks_ = blocks;
    if (experts.any()) routed_experts_ = experts.routed;
  }
  if (!routers()) dense_layers_.clear();
  if (!dense_layers_.empty()) dense_.resize(n_layers_);
  for (const int64_t l : dense_layers_) dense_[l] = true;
  first_writers_ = {1};
  first_readers_ = {0};
  offsets_ = {0};
  for (int64_t l = 0; l < n_layers_; ++l) {
    const LayerSpec& spec = architecture.layer(l);
    if (!same_order(spec, architecture.layer(0))) {
      fail("graph", "layer {} has other blocks than layer 0, or in another order.", l);
    }
    LayerNodes& nodes = forms_[is_dense(l) ? 1 : 0];
    if (nodes.writers.empty()) nodes = nodes_in_layer(spec, l);
    int64_t written = first_writers_.back();  // by the layer's blocks so far
    for (const BlockSpec& block : spec.blocks) {
      const int64_t seen = block.reads == BlockReads::kLayerInput ? first_writers_.back() : written;
      for (int64_t i = 0; i < nodes_in(nodes.readers, block.kind).count; ++i) {
        offsets_.push_back(offsets_.back() + seen);
      }
      written += nodes_in(nodes.writers, block.kind).count;
    }
    first_writers_.push_back(written);
    first_readers_.push_back(first_readers_.back() + end_of(nodes.readers));
  }
  offsets_.push_back(offsets_.back() + n_upstream());
}

Graph::LayerNodes Graph::nodes_in_layer(const LayerSpec& spec, int64_t layer) const {
  LayerNodes all;
  for (const BlockSpec& block : spec.blocks) {
    const BlockNodes& nodes = nodes_of_block(block.kind);
    for (const NodeKind* kind : nodes.writers) append(*kind, block.kind, kind->count(*this, layer), &all.writers);
    for (const NodeKind* kind : nodes.readers) append(*kind, block.kind, kind->count(*this, layer), &all.readers);
  }
  return all;
}

int64_t Graph::writer(const NodeKind& kind, int64_t layer, int64_t index) const {
  return first_writers_[layer] + group_of(writer_groups(layer), kind).first + index;
}

int64_t Graph::reader(const NodeKind& kind, int64_t layer, int64_t index) const {
  return first_readers_[layer] + group_of(reader_groups(layer), kind).first + index;
}

NodeRange Graph::writers(const Block& block) const {
  const NodeRange nodes = nodes_in(writer_groups(block.layer), block.kind);
  return {first_writers_[block.layer] + nodes.first, nodes.count};
}

NodeRange Graph::readers(const Block& block) const {
  const NodeRange nodes = nodes_in(reader_groups(block.layer), block.kind);
  return {first_readers_[block.layer] + nodes.first, nodes.count};
}

GraphNode Graph::upstream(int64_t u) const {
  if (u == 0) return {&kInputNode};
  const int64_t layer = layer_with(first_writers_, u);
  return node_at(writer_groups(layer), layer, u - first_writers_[layer]);
}

GraphNode Graph::downstream(int64_t v) const {
  if (v == logits()) return {&kLogitsNode};
  const int64_t layer = layer_with(first_readers_, v);
  return node_at(reader_groups(layer), layer, v - first_readers_[layer]);
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
