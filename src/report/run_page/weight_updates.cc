#include "report/run_page/weight_updates.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace circuit {

std::vector<NodeUpdates> read_node_updates(RunReader& run) {
  std::vector<NodeUpdates> nodes;
  std::unordered_map<std::string, size_t> index;
  std::unordered_map<int64_t, size_t> node_of;
  for (const SliceRow& slice : run.slices()) {
    const auto [at, is_new] = index.emplace(slice.node, nodes.size());
    if (is_new) nodes.push_back({slice.node});
    node_of[slice.id] = at->second;
    nodes[at->second].parameters += slice.parameters;
  }
  std::vector<double> squares(nodes.size(), 0);  // of the step at hand
  std::vector<size_t> updated;
  const auto end_step = [&] {
    for (const size_t node : updated) {
      nodes[node].path += std::sqrt(squares[node]);
      ++nodes[node].steps;
      squares[node] = 0;
    }
    updated.clear();
  };
  int64_t step = -1;
  run.slice_norms([&](const SliceNormRow& row) {
    if (row.step != step) end_step();
    step = row.step;
    const auto node = node_of.find(row.slice);
    const double norm = row.update_norm;
    if (node == node_of.end() || !std::isfinite(norm) || norm == 0) return;
    if (squares[node->second] == 0) updated.push_back(node->second);
    squares[node->second] += norm * norm;
  });
  end_step();
  nodes.erase(std::remove_if(nodes.begin(), nodes.end(), [](const NodeUpdates& n) { return n.steps == 0; }),
              nodes.end());
  std::stable_sort(nodes.begin(), nodes.end(),
                   [](const NodeUpdates& a, const NodeUpdates& b) { return a.path > b.path; });
  return nodes;
}

}  // namespace circuit
