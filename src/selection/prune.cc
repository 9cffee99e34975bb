#include "selection/prune.h"

#include <algorithm>

#include "graph/links.h"

namespace circuit {
namespace {

// Per upstream node: whether a path from `input` ends there. Edges stand by reader, and in that order a
// reader comes after all readers of the nodes it sees, so one pass is enough.
std::vector<bool> reached_from_input(const Graph& graph, const std::vector<int64_t>& edges) {
  std::vector<bool> reached(graph.n_upstream());
  reached[0] = true;
  auto id = edges.begin();
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    bool fed = false;
    for (; id != edges.end() && *id < graph.first_edge(v) + graph.visible(v); ++id) {
      fed = fed || reached[*id - graph.first_edge(v)];
    }
    if (!fed) continue;
    for (const int64_t u : writers_of(graph, v)) reached[u] = true;
  }
  return reached;
}

// Per downstream node: whether a path from there ends in `logits`. The same pass from the end.
std::vector<bool> leading_to_logits(const Graph& graph, const std::vector<int64_t>& edges) {
  std::vector<bool> leads(graph.n_downstream());
  std::vector<bool> used(graph.n_upstream());
  leads[graph.logits()] = true;
  auto id = edges.rbegin();
  for (int64_t v = graph.logits(); v >= 0; --v) {
    for (const int64_t u : writers_of(graph, v)) leads[v] = leads[v] || used[u];
    for (; id != edges.rend() && *id >= graph.first_edge(v); ++id) {
      if (leads[v]) used[*id - graph.first_edge(v)] = true;
    }
  }
  return leads;
}

}  // namespace

Circuit prune(const Graph& graph, const Circuit& circuit) {
  const std::vector<bool> reached = reached_from_input(graph, circuit.edges);
  const std::vector<bool> leads = leading_to_logits(graph, circuit.edges);
  Circuit pruned;
  int64_t v = 0;
  for (const int64_t id : circuit.edges) {
    while (id >= graph.first_edge(v) + graph.visible(v)) ++v;
    if (reached[id - graph.first_edge(v)] && leads[v]) pruned.edges.push_back(id);
  }
  return pruned;
}

}  // namespace circuit
