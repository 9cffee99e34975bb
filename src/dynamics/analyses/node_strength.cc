// How strong every node is along training: Σ |S| of the circuit's edges at it.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "dynamics/analysis.h"

namespace circuit {
namespace {

struct NodeSeries {
  std::string node;
  std::vector<float> values;  // [discoveries]
};

std::vector<NodeSeries> node_series(const RecordedRun& run) {
  std::vector<NodeSeries> all;
  const Graph& graph = run.graph();
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    NodeSeries s{graph.upstream_name(u), {}};
    for (const RecordedDiscovery& d : run.discoveries()) s.values.push_back(d.upstream_strength[u]);
    all.push_back(std::move(s));
  }
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    // A writer and a reader may share a name ("m3"): the reader's is told apart.
    NodeSeries s{graph.downstream_name(v) + " (reads)", {}};
    for (const RecordedDiscovery& d : run.discoveries()) s.values.push_back(d.downstream_strength[v]);
    all.push_back(std::move(s));
  }
  return all;
}

AnalysisResult run_node_strength(const AnalysisInput& input) {
  const std::vector<RecordedDiscovery>& discoveries = input.run.discoveries();
  std::vector<NodeSeries> all = node_series(input.run);
  const auto last = [](const NodeSeries& s) { return s.values.back(); };
  std::stable_sort(all.begin(), all.end(), [&](const NodeSeries& a, const NodeSeries& b) { return last(a) > last(b); });
  AnalysisTable table{"node_strength",
                      "nodes by strength at the end",
                      {"node", "first", "last", "change", "mean", "largest", "at_step"},
                      {}};
  double gained = 0;
  double lost = 0;
  const NodeSeries* riser = nullptr;
  const NodeSeries* faller = nullptr;
  for (const NodeSeries& s : all) {
    const auto top = static_cast<size_t>(std::max_element(s.values.begin(), s.values.end()) - s.values.begin());
    if (s.values[top] == 0) continue;
    double mean = 0;
    for (const float v : s.values) mean += v / static_cast<double>(s.values.size());
    const double change = static_cast<double>(s.values.back()) - s.values.front();
    table.rows.push_back(
        {s.node, s.values.front(), s.values.back(), change, mean, s.values[top], discoveries[top].step});
    if (change > gained) {
      gained = change;
      riser = &s;
    }
    if (change < lost) {
      lost = change;
      faller = &s;
    }
  }
  AnalysisResult result;
  result.findings.push_back(fmt::format("{} of {} nodes (writers and readers) were in a circuit at some discovery.",
                                        table.rows.size(), all.size()));
  if (riser != nullptr) {
    result.findings.push_back(fmt::format("{} gained most: {:.3g} to {:.3g} between the first and the last discovery.",
                                          riser->node, riser->values.front(), riser->values.back()));
  }
  if (faller != nullptr) {
    result.findings.push_back(
        fmt::format("{} lost most: {:.3g} to {:.3g}.", faller->node, faller->values.front(), faller->values.back()));
  }
  AnalysisTable along{
      "node_strength_series", "strength of every node at every discovery", {"step", "node", "strength"}, {}};
  for (const NodeSeries& s : all) {
    for (size_t d = 0; d < discoveries.size(); ++d) {
      if (s.values[d] != 0) along.rows.push_back({discoveries[d].step, s.node, s.values[d]});
    }
  }
  result.tables.push_back(std::move(table));
  result.tables.push_back(std::move(along));
  return result;
}

}  // namespace

Analysis node_strength_analysis() {
  return {"node-strength", "strength of every node over time: sum of |S| of the circuit's edges at it", false,
          run_node_strength};
}

}  // namespace circuit
