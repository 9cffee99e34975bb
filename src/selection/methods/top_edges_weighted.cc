// top-edges-weighted N: the N edges of largest |S_uv| · Σ_v'|S_uv'| · Σ_u'|S_u'v|, ties by edge order
// ("top nodes" in the paper's code): an edge counts more between nodes that matter.
#include "core/error.h"
#include "selection/ranking.h"
#include "selection/selector.h"

namespace circuit {
namespace {

Circuit select_top_edges_weighted(const SelectionInput& input, const SelectionSpec& spec, Rng&) {
  if (spec.signed_scores) {
    throw UsageError(
        "[selection] top-edges-weighted: ranks by products of |score|, it has no signed form. "
        "Use top-edges.");
  }
  const Graph& graph = input.graph;
  std::vector<double> weight = strengths(input, spec);
  // Sums in float64: with the products of three they stay far from overflow and underflow.
  std::vector<double> of_upstream(graph.n_upstream());
  std::vector<double> of_downstream(graph.n_downstream());
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    for (int64_t u = 0; u < graph.visible(v); ++u) {
      of_upstream[u] += weight[graph.edge_id(u, v)];
      of_downstream[v] += weight[graph.edge_id(u, v)];
    }
  }
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    for (int64_t u = 0; u < graph.visible(v); ++u) {
      weight[graph.edge_id(u, v)] *= of_upstream[u] * of_downstream[v];
    }
  }
  return strongest(weight, spec.n);
}

}  // namespace

Selector top_edges_weighted_selector() {
  return {"top-edges-weighted", "the N edges of largest |score| times the summed |score| at both ends",
          select_top_edges_weighted};
}

}  // namespace circuit
