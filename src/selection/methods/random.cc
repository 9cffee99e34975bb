// random: uniform edges, added until the trainable count first reaches that of top-edges N on the same scores.
#include <algorithm>

#include "selection/selector.h"

namespace circuit {
namespace {

Circuit select_random(const SelectionInput& input, const SelectionSpec& spec, Rng& rng) {
  const Circuit top = top_edges_selector().select(input, spec, rng);
  const int64_t target = input.slices.parameters(input.slices.of_circuit(top, spec.policy));
  CircuitNodes nodes{std::vector<bool>(input.graph.n_upstream()), std::vector<bool>(input.graph.n_downstream())};
  Circuit circuit;
  int64_t reached = 0;
  for (const int64_t id : permutation(input.graph.n_edges(), rng)) {
    if (reached >= target) break;
    const Edge e = input.graph.edge(id);
    circuit.edges.push_back(id);
    if (nodes.upstream[e.upstream] && nodes.downstream[e.downstream]) continue;
    nodes.upstream[e.upstream] = true;
    nodes.downstream[e.downstream] = true;
    reached = input.slices.parameters(input.slices.of_nodes(nodes, spec.policy));
  }
  std::sort(circuit.edges.begin(), circuit.edges.end());
  return circuit;
}

}  // namespace

Selector random_selector() {
  return {"random", "control: uniform edges with the trainable size of top-edges N", select_random};
}

}  // namespace circuit
