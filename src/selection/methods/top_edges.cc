// top-edges N: the N edges of largest |S| > 0, ties by edge order.
#include "selection/ranking.h"
#include "selection/selector.h"

namespace circuit {
namespace {

Circuit select_top_edges(const SelectionInput& input, const SelectionSpec& spec, Rng&) {
  return strongest(strengths(input, spec), spec.n);
}

}  // namespace

Selector top_edges_selector() { return {"top-edges", "the N edges of largest |score|", select_top_edges}; }

}  // namespace circuit
