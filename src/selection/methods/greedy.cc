// greedy N: grow the circuit from `logits`, as EAP-IG's apply_greedy (2403.17806). The strongest edge into a
// node of the circuit is added, and its upstream node joins the circuit, until there are N edges.
// Departs: zero scores are not taken, and ties go by edge order. An edge on no path from `input` may be
// among the N: prune drops it.
#include <algorithm>
#include <queue>
#include <utility>

#include "graph/links.h"
#include "selection/ranking.h"
#include "selection/selector.h"

namespace circuit {
namespace {

// Edges into nodes of the circuit; each edge is pushed at most once, so a selection is O(edges log edges).
class Candidates {
 public:
  Candidates(const Graph& graph, const std::vector<double>& strength)
      : graph_(graph), strength_(strength), open_(graph.n_downstream()) {}

  // The edges of a reader; nothing when a head of the same key/value group has opened it before.
  void open(int64_t v) {
    if (open_[v]) return;
    open_[v] = true;
    for (int64_t u = 0; u < graph_.visible(v); ++u) {
      const int64_t id = graph_.edge_id(u, v);
      // Of equal strengths the lowest id comes first.
      if (strength_[id] > 0) queue_.emplace(strength_[id], -id);
    }
  }

  bool empty() const { return queue_.empty(); }

  int64_t pop() {
    const int64_t id = -queue_.top().second;
    queue_.pop();
    return id;
  }

 private:
  const Graph& graph_;
  const std::vector<double>& strength_;
  std::vector<bool> open_;
  std::priority_queue<std::pair<double, int64_t>> queue_;
};

Circuit select_greedy(const SelectionInput& input, const SelectionSpec& spec, Rng&) {
  const std::vector<double> strength = strengths(input, spec);
  Candidates candidates(input.graph, strength);
  candidates.open(input.graph.logits());
  Circuit circuit;
  while (!candidates.empty() && static_cast<int64_t>(circuit.edges.size()) < spec.n) {
    const int64_t id = candidates.pop();
    circuit.edges.push_back(id);
    for (const int64_t v : readers_of(input.graph, input.graph.edge(id).upstream)) candidates.open(v);
  }
  std::sort(circuit.edges.begin(), circuit.edges.end());
  return circuit;
}

}  // namespace

Selector greedy_selector() {
  return {"greedy", "N edges grown from logits, each the strongest into the circuit so far", select_greedy};
}

}  // namespace circuit
