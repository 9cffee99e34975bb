// top-nodes N: the N upstream nodes of largest |Σ_v S(u→v)| (method.md §2, node scores), with every edge from one
// of them to another's reader or to the logits; ties by node order. EAP-IG's node level, less what pruning drops.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/links.h"
#include "selection/ranking.h"
#include "selection/selector.h"

namespace circuit {
namespace {

Circuit select_top_nodes(const SelectionInput& input, const SelectionSpec& spec, Rng&) {
  const Graph& graph = input.graph;
  strengths(input, spec);  // refuses what no ranking can stand on
  std::vector<double> strength = node_scores(graph, input.scores);
  for (double& s : strength) s = spec.signed_scores ? s : std::fabs(s);
  std::vector<int64_t> order(graph.n_upstream());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return strength[a] > strength[b]; });
  std::vector<bool> chosen(graph.n_upstream());
  for (int64_t i = 0; i < std::min(spec.n, graph.n_upstream()) && strength[order[i]] > 0; ++i) chosen[order[i]] = true;
  Circuit circuit;
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    const std::vector<int64_t> writers = writers_of(graph, v);
    const bool read =
        v == graph.logits() || std::any_of(writers.begin(), writers.end(), [&](int64_t u) { return chosen[u]; });
    if (!read) continue;
    for (int64_t u = 0; u < graph.visible(v); ++u) {
      if (chosen[u]) circuit.edges.push_back(graph.edge_id(u, v));
    }
  }
  return circuit;
}

}  // namespace

Selector top_nodes_selector() {
  return {"top-nodes", "all edges among the n nodes of largest |summed score|", select_top_nodes};
}

}  // namespace circuit
