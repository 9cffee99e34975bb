// Where a circuit's nodes stand in its drawing. Used by to_svg only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace circuit {

struct Spot {
  double x = 0, y = 0;  // centre of the box, px; y grows downwards
  bool ports = false;   // at the bottom of the box
};

struct SvgBand {
  int64_t layer = 0;
  double top = 0, height = 0;
};

// An edge's ends, px.
struct SvgEnds {
  Spot from, to;
};

struct SvgLayout {
  double width = 0, height = 0;
  std::map<std::string, Spot> boxes;  // nodes of the circuit by the name that is drawn: "a0.h1", "a0.kv1", "m0"
  std::vector<SvgBand> bands;         // a band a layer that has nodes, the lowest first
};

constexpr double kBoxWidth = 52;
constexpr double kBoxHeight = 30;
constexpr double kPortGap = 16;  // between q, k and v of a head

SvgLayout svg_layout(const Graph& graph, const Circuit& circuit);

// "a0.h1<q>" → "a0.h1".
std::string box_of(const std::string& reader);
// Where an edge leaves its writer and enters its reader.
SvgEnds ends_of(const SvgLayout& layout, const Graph& graph, const Edge& edge);

}  // namespace circuit
