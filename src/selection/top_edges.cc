// top-edges N: the N edges of largest |S| > 0, ties by edge order.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "selection/selector.h"

namespace circuit {
namespace {

Circuit select(const SelectionInput& input, const SelectionSpec& spec, Rng&) {
  const std::vector<float>& s = input.scores.values;
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < static_cast<int64_t>(s.size()); ++id) {
    if (s[id] != 0) ids.push_back(id);
  }
  const auto stronger = [&](int64_t a, int64_t b) {
    const float x = std::fabs(s[a]);
    const float y = std::fabs(s[b]);
    return x != y ? x > y : a < b;
  };
  const auto n = static_cast<int64_t>(ids.size());
  if (spec.n < n) {
    std::nth_element(ids.begin(), ids.begin() + spec.n, ids.end(), stronger);
    ids.resize(spec.n);
  }
  std::sort(ids.begin(), ids.end());
  return {ids};
}

}  // namespace

Selector top_edges_selector() { return {"top-edges", "the N edges of largest |score|", select}; }

}  // namespace circuit
