#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "graph/graph.h"

namespace circuit {

std::string to_dot(const Graph& graph, const Circuit& circuit, const EdgeScores& scores) {
  constexpr double kMaxWidth = 5;
  float largest = 0;
  for (const int64_t id : circuit.edges) largest = std::max(largest, std::fabs(scores.values[id]));
  std::string text = "digraph circuit {\n  rankdir=BT;\n  node [shape=box, fontname=\"Helvetica\"];\n";
  for (const int64_t id : circuit.edges) {
    const Edge e = graph.edge(id);
    const float score = scores.values[id];
    const std::string to = graph.downstream_name(e.downstream);
    // q, k and v of a head are one box; which of them is read stands on the edge.
    const char port = graph.downstream(e.downstream).kind->port;
    const std::string label = port == '\0' ? "" : std::string(1, port);
    const double width = largest > 0 ? 0.3 + kMaxWidth * std::fabs(score) / largest : 1;
    text += fmt::format("  \"{}\" -> \"{}\" [label=\"{}\", penwidth={:.2f}, color=\"{}\", tooltip=\"{:.6g}\"];\n",
                        graph.upstream_name(e.upstream), to.substr(0, to.find('<')), label, width,
                        score >= 0 ? "#2166ac" : "#b2182b", score);
  }
  return text + "}\n";
}

}  // namespace circuit
