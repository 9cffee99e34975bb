// How much circuits along training share, and what random circuits of their sizes would (method.md §8).
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "dynamics/analysis.h"
#include "dynamics/circuit_diff.h"
#include "graph/overlap.h"

namespace circuit {
namespace {

// Draws per pair of sizes for the nodes, whose expectation has no closed form.
constexpr int64_t kDraws = 200;

struct Shared {
  double edges = 0, nodes = 0;  // Jaccard
  double edges_chance = 0;      // expected of random circuits of the same numbers of edges
  double excess = 0;            // (shared edges − expected) / standard deviation
};

Shared shared(const Graph& graph, const Circuit& a, const Circuit& b) {
  Shared s;
  s.edges = jaccard_edges(a, b);
  s.nodes = jaccard_nodes(nodes_of(graph, a), nodes_of(graph, b));
  const auto x = static_cast<int64_t>(a.edges.size());
  const auto y = static_cast<int64_t>(b.edges.size());
  const ChanceOverlap chance = chance_overlap(x, y, graph.n_edges());
  s.edges_chance = chance.jaccard;
  const double both = static_cast<double>(y - entered(a, b));
  s.excess = chance.sd > 0 ? (both - chance.mean) / chance.sd : std::nan("");
  return s;
}

AnalysisResult run_overlap(const AnalysisInput& input) {
  const Graph& graph = input.run.graph();
  const std::vector<RecordedDiscovery>& d = input.run.discoveries();
  if (d.size() < 2) fail("overlap", "the run has one discovery: there is nothing to compare it with.");
  AnalysisTable table{"overlap",
                      "Jaccard of every discovery's circuit with others",
                      {"step", "edges", "previous", "previous_nodes", "first", "first_nodes", "last", "last_nodes",
                       "chance_with_last", "sd_above_chance_with_last"},
                      {}};
  double previous = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    const Shared first = shared(graph, d.front().circuit, d[i].circuit);
    const Shared last = shared(graph, d[i].circuit, d.back().circuit);
    std::vector<Json> row{d[i].step, d[i].circuit.edges.size()};
    if (i == 0) {
      row.insert(row.end(), {nullptr, nullptr});
    } else {
      const Shared before = shared(graph, d[i - 1].circuit, d[i].circuit);
      previous += before.edges / static_cast<double>(d.size() - 1);
      row.insert(row.end(), {before.edges, before.nodes});
    }
    row.insert(row.end(),
               {first.edges, first.nodes, last.edges, last.nodes, last.edges_chance, number_or_null(last.excess)});
    table.rows.push_back(std::move(row));
  }
  const Shared ends = shared(graph, d.front().circuit, d.back().circuit);
  Rng rng = Rng(input.seed).split("overlap");
  const double nodes_chance = chance_jaccard_nodes(graph, static_cast<int64_t>(d.front().circuit.edges.size()),
                                                   static_cast<int64_t>(d.back().circuit.edges.size()), kDraws, rng);
  AnalysisResult result;
  result.findings.push_back(
      fmt::format("First and last circuit: Jaccard of edges {:.3f} (random circuits of these sizes: {:.3f}), of nodes "
                  "{:.3f} ({:.3f}).",
                  ends.edges, ends.edges_chance, ends.nodes, nodes_chance));
  result.findings.push_back(
      fmt::format("Neighbouring discoveries share {:.3f} (mean Jaccard of edges over {}).", previous, d.size() - 1));
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

Analysis overlap_analysis() {
  return {"overlap", "circuits against the previous, first and last one, and against chance", false, run_overlap};
}

}  // namespace circuit
