#include "graph/links.h"

namespace circuit {

// The nodes of a block go together by index; where a kind has fewer of them, each goes with as many of the others.

std::vector<int64_t> readers_of(const Graph& graph, int64_t u) {
  const GraphNode node = graph.upstream(u);
  std::vector<int64_t> readers;
  if (node.layer < 0) return readers;
  for (const NodeGroup& own : graph.writer_groups(node.layer)) {
    if (own.kind != node.kind) continue;
    for (const NodeGroup& group : graph.reader_groups(node.layer)) {
      if (group.block != own.block) continue;
      readers.push_back(graph.reader(*group.kind, node.layer, node.index * group.count / own.count));
    }
  }
  return readers;
}

std::vector<int64_t> writers_of(const Graph& graph, int64_t v) {
  const GraphNode node = graph.downstream(v);
  std::vector<int64_t> writers;
  if (node.layer < 0) return writers;
  for (const NodeGroup& own : graph.reader_groups(node.layer)) {
    if (own.kind != node.kind) continue;
    for (const NodeGroup& group : graph.writer_groups(node.layer)) {
      if (group.block != own.block) continue;
      const int64_t each = group.count / own.count;
      for (int64_t i = 0; i < each; ++i) {
        writers.push_back(graph.writer(*group.kind, node.layer, node.index * each + i));
      }
    }
  }
  return writers;
}

}  // namespace circuit
