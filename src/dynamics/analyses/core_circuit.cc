// The core circuit: edges in at least nine of ten discoveries; and whether it is reused or replaced.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "dynamics/analysis.h"
#include "dynamics/circuit_diff.h"
#include "graph/overlap.h"

namespace circuit {
namespace {

constexpr double kCoreShare = 0.9;

// Discoveries among begin, begin + stride, … below end whose circuit has each edge.
std::vector<int64_t> presence(const Graph& graph, const std::vector<RecordedDiscovery>& d, size_t begin, size_t end,
                              size_t stride = 1) {
  std::vector<int64_t> count(graph.n_edges());
  for (size_t i = begin; i < end; i += stride) {
    for (const int64_t e : d[i].circuit.edges) ++count[e];
  }
  return count;
}

Circuit core_of(const std::vector<int64_t>& count, size_t discoveries) {
  const auto least = static_cast<int64_t>(std::ceil(kCoreShare * static_cast<double>(discoveries)));
  Circuit core;
  for (size_t e = 0; e < count.size(); ++e) {
    if (count[e] >= least) core.edges.push_back(static_cast<int64_t>(e));
  }
  return core;
}

AnalysisResult run_core_circuit(const AnalysisInput& input) {
  const Graph& graph = input.run.graph();
  const std::vector<RecordedDiscovery>& d = input.run.discoveries();
  if (d.size() < 2) fail("core-circuit", "the run has one discovery: its circuit is the core.");
  const std::vector<int64_t> count = presence(graph, d, 0, d.size());
  const Circuit core = core_of(count, d.size());
  const auto in = [](const Circuit& c, int64_t e) { return std::binary_search(c.edges.begin(), c.edges.end(), e); };
  AnalysisTable table{"core_circuit", "edges of the core", {"edge", "share_of_discoveries", "in_first", "in_last"}, {}};
  std::vector<int64_t> order = core.edges;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return count[a] > count[b]; });
  int64_t from_first = 0;
  for (const int64_t e : order) {
    from_first += in(d.front().circuit, e);
    table.rows.push_back({graph.edge_name(e), static_cast<double>(count[e]) / static_cast<double>(d.size()),
                          in(d.front().circuit, e), in(d.back().circuit, e)});
  }
  double mean = 0;
  for (const RecordedDiscovery& each : d) {
    mean += static_cast<double>(each.circuit.edges.size()) / static_cast<double>(d.size());
  }
  int64_t ever = 0;
  for (const int64_t c : count) ever += c > 0;
  AnalysisResult result;
  result.findings.push_back(
      fmt::format("The core has {} edges (in at least {:.0f} % of {} discoveries), {:.0f} % of a mean circuit of "
                  "{:.0f}; {} edges were "
                  "in some circuit.",
                  core.edges.size(), 100 * kCoreShare, d.size(),
                  mean == 0 ? 0 : 100 * static_cast<double>(core.edges.size()) / mean, mean, ever));
  if (!core.edges.empty()) {
    result.findings.push_back(
        fmt::format("{} of the core's edges ({:.0f} %) were in the base model's circuit.", from_first,
                    100 * static_cast<double>(from_first) / static_cast<double>(core.edges.size())));
  }
  // Reused or replaced: the cores of the two halves.
  const size_t half = d.size() / 2;
  const Circuit early = core_of(presence(graph, d, 0, half), half);
  const Circuit late = core_of(presence(graph, d, half, d.size()), d.size() - half);
  const ChanceOverlap chance = chance_overlap(static_cast<int64_t>(early.edges.size()),
                                              static_cast<int64_t>(late.edges.size()), graph.n_edges());
  int64_t kept = 0;
  for (const int64_t e : early.edges) kept += in(late, e);
  // What noise alone leaves of a core: every other discovery against the rest, which saw the same learning.
  const Circuit even = core_of(presence(graph, d, 0, d.size(), 2), (d.size() + 1) / 2);
  const Circuit odd = core_of(presence(graph, d, 1, d.size(), 2), d.size() / 2);
  int64_t agreed = 0;
  for (const int64_t e : even.edges) agreed += in(odd, e);
  const auto share = [](int64_t part, const Circuit& of) {
    return of.edges.empty() ? 0 : static_cast<double>(part) / static_cast<double>(of.edges.size());
  };
  const double ceiling = share(agreed, even);
  result.findings.push_back(fmt::format(
      "Core of the first half ({} edges) and of the second ({}): {} are in both (Jaccard {:.3f}, by chance "
      "{:.3f}, and {:.3f} between every other discovery and the rest, which is as alike as noise leaves two "
      "cores): {}.",
      early.edges.size(), late.edges.size(), kept, jaccard_edges(early, late), chance.jaccard, jaccard_edges(even, odd),
      early.edges.empty() || ceiling == 0   ? "too noisy to say whether it is reused"
      : share(kept, early) >= 0.5 * ceiling ? "mostly reused"
                                            : "mostly replaced"));
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

Analysis core_circuit_analysis() {
  return {"core-circuit", "edges in at least 90 % of discoveries, and whether the core is reused or replaced", false,
          run_core_circuit};
}

}  // namespace circuit
