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
  if (mlp_block == 0) return d_mlp;
  if (mlp_block > 0 && d_mlp % mlp_block == 0) return mlp_block;
  throw UsageError(
      fmt::format("[graph] MLP blocks of {} channels: the MLP has {}, which they must divide.", mlp_block, d_mlp));
}

}  // namespace

Graph::Graph(const Architecture& architecture, KeyValueNodes form, int64_t mlp_block)
    : n_layers_(architecture.n_layers),
      n_heads_(architecture.n_heads),
      n_kv_heads_(architecture.n_kv_heads),
      kv_nodes_(form == KeyValueNodes::kGrouped ? architecture.n_kv_heads : architecture.n_heads),
      mlp_blocks_(mlp_block == 0 ? 1 : architecture.d_mlp / block_width(architecture, mlp_block)),
      mlp_block_(block_width(architecture, mlp_block)),
      parallel_(architecture.layer(0).parallel()) {
  offsets_.reserve(n_downstream() + 1);
  offsets_.push_back(0);
  for (int64_t l = 0; l < n_layers_; ++l) {
    const int64_t before = head(l, 0);
    int64_t written = before;  // by the layer's blocks so far
    for (const BlockSpec& block : architecture.layer(l).blocks) {
      const int64_t seen = block.reads == BlockReads::kLayerInput ? before : written;
      for (int64_t i = 0; i < readers({block.kind, l}).count; ++i) offsets_.push_back(offsets_.back() + seen);
      written += writers({block.kind, l}).count;
    }
  }
  offsets_.push_back(offsets_.back() + n_upstream());
}

NodeRange Graph::writers(const Block& block) const {
  if (block.kind == BlockKind::kAttention) return {head(block.layer, 0), n_heads_};
  return {mlp(block.layer), mlp_blocks_};
}

NodeRange Graph::readers(const Block& block) const {
  if (block.kind == BlockKind::kAttention) return {query(block.layer, 0), n_heads_ + 2 * kv_nodes_};
  return {mlp_in(block.layer), mlp_blocks_};
}

UpstreamNode Graph::upstream(int64_t u) const {
  if (u == 0) return {};
  const int64_t layer = (u - 1) / writers_per_layer();
  const int64_t index = (u - 1) % writers_per_layer();
  if (index >= n_heads_) return {UpstreamNode::Kind::kMlp, layer, -1, index - n_heads_};
  return {UpstreamNode::Kind::kHead, layer, index};
}

DownstreamNode Graph::downstream(int64_t v) const {
  if (v == logits()) return {};
  const int64_t layer = v / readers_per_layer();
  int64_t index = v % readers_per_layer();
  if (index < n_heads_) return {DownstreamNode::Kind::kQuery, layer, index};
  index -= n_heads_;
  if (index < kv_nodes_) return {DownstreamNode::Kind::kKey, layer, index};
  index -= kv_nodes_;
  if (index < kv_nodes_) return {DownstreamNode::Kind::kValue, layer, index};
  return {DownstreamNode::Kind::kMlp, layer, -1, index - kv_nodes_};
}

Edge Graph::edge(int64_t id) const {
  const auto next = std::upper_bound(offsets_.begin(), offsets_.end(), id);
  const int64_t v = next - offsets_.begin() - 1;
  return {id - offsets_[v], v};
}

std::string Graph::mlp_name(int64_t layer, int64_t block) const {
  return mlp_blocks_ == 1 ? fmt::format("m{}", layer) : fmt::format("m{}.b{}", layer, block);
}

std::string Graph::upstream_name(int64_t u) const {
  const UpstreamNode node = upstream(u);
  switch (node.kind) {
    case UpstreamNode::Kind::kInput:
      return "input";
    case UpstreamNode::Kind::kHead:
      return fmt::format("a{}.h{}", node.layer, node.head);
    case UpstreamNode::Kind::kMlp:
      return mlp_name(node.layer, node.block);
  }
  return "";
}

std::string Graph::downstream_name(int64_t v) const {
  const DownstreamNode node = downstream(v);
  // With as many readers as query heads, the field's own name.
  const char* kv = kv_nodes_ == n_heads_ ? "h" : "kv";
  switch (node.kind) {
    case DownstreamNode::Kind::kQuery:
      return fmt::format("a{}.h{}<q>", node.layer, node.head);
    case DownstreamNode::Kind::kKey:
      return fmt::format("a{}.{}{}<k>", node.layer, kv, node.head);
    case DownstreamNode::Kind::kValue:
      return fmt::format("a{}.{}{}<v>", node.layer, kv, node.head);
    case DownstreamNode::Kind::kMlp:
      return mlp_name(node.layer, node.block);
    case DownstreamNode::Kind::kLogits:
      return "logits";
  }
  return "";
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
