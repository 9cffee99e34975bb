#include "graph/links.h"

namespace circuit {

std::vector<int64_t> readers_of(const Graph& graph, int64_t u) {
  const UpstreamNode node = graph.upstream(u);
  switch (node.kind) {
    case UpstreamNode::Kind::kInput:
      return {};
    case UpstreamNode::Kind::kHead: {
      const int64_t g = node.head / (graph.n_heads() / graph.kv_nodes());
      return {graph.query(node.layer, node.head), graph.key(node.layer, g), graph.value(node.layer, g)};
    }
    case UpstreamNode::Kind::kMlp:
      return {graph.mlp_in(node.layer, node.block)};
  }
  return {};
}

std::vector<int64_t> writers_of(const Graph& graph, int64_t v) {
  const DownstreamNode node = graph.downstream(v);
  switch (node.kind) {
    case DownstreamNode::Kind::kQuery:
      return {graph.head(node.layer, node.head)};
    case DownstreamNode::Kind::kKey:
    case DownstreamNode::Kind::kValue: {
      const int64_t per_node = graph.n_heads() / graph.kv_nodes();
      std::vector<int64_t> heads;
      for (int64_t i = 0; i < per_node; ++i) heads.push_back(graph.head(node.layer, node.head * per_node + i));
      return heads;
    }
    case DownstreamNode::Kind::kMlp:
      return {graph.mlp(node.layer, node.block)};
    case DownstreamNode::Kind::kLogits:
      return {};
  }
  return {};
}

}  // namespace circuit
