// The text of a circuit's JSON in one pass that makes no tree of the edges: of a large model there are
// millions, and a tree of them is ten times their text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace circuit {

struct ScannedEdge {
  std::string name;
  double score = 0;
  bool in_graph = false;
  std::optional<double> stability;
};

struct ScannedCircuit {
  Json root;                       // the whole object but its edges: cfg, nodes, meta, …
  std::vector<ScannedEdge> edges;  // as they stand in the file; names are not checked
  bool has_edges = false;          // whether the key is there at all
};

// Throws Error as parse_json does (syntax with line and column, a key twice, deep nesting), and for edges
// that are no object of objects, each with a number `score` and a true or false `in_graph`, and
// where it has a `stability`, a number there. Other keys of an edge are passed over.
ScannedCircuit scan_circuit_json(std::string_view text, const std::string& place);

}  // namespace circuit
