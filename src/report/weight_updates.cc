#include "report/weight_updates.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace circuit {
namespace {

struct Slice {
  size_t node;
  int64_t parameters;
};

}  // namespace

std::vector<NodeUpdates> read_node_updates(Database& database) {
  std::vector<NodeUpdates> nodes;
  std::unordered_map<std::string, size_t> index;
  std::unordered_map<int64_t, Slice> slices;
  auto slice_rows = database.prepare("SELECT id, node, parameters FROM slices");
  while (slice_rows.step()) {
    const auto [at, is_new] = index.emplace(slice_rows.text(1), nodes.size());
    if (is_new) nodes.push_back({slice_rows.text(1)});
    slices[slice_rows.integer(0)] = {at->second, slice_rows.integer(2)};
    nodes[at->second].parameters += slice_rows.integer(2);
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
  auto rows = database.prepare("SELECT step, slice, update_norm FROM slice_norms ORDER BY step, slice");
  while (rows.step()) {
    if (rows.integer(0) != step) end_step();
    step = rows.integer(0);
    const auto slice = slices.find(rows.integer(1));
    const double norm = rows.real(2);
    if (slice == slices.end() || !std::isfinite(norm) || norm == 0) continue;
    if (squares[slice->second.node] == 0) updated.push_back(slice->second.node);
    squares[slice->second.node] += norm * norm;
  }
  end_step();
  nodes.erase(std::remove_if(nodes.begin(), nodes.end(), [](const NodeUpdates& n) { return n.steps == 0; }),
              nodes.end());
  std::stable_sort(nodes.begin(), nodes.end(),
                   [](const NodeUpdates& a, const NodeUpdates& b) { return a.path > b.path; });
  return nodes;
}

}  // namespace circuit
