#include "graph/svg_layout.h"

#include <algorithm>
#include <set>

namespace circuit {
namespace {

constexpr double kColumn = 74;  // between heads
constexpr double kBandHeight = 118;
constexpr double kLeft = 84;   // layer names
constexpr double kRight = 96;  // edges that bend around the MLPs
constexpr double kEnd = 92;    // input's and logits' rows
constexpr double kLegend = 84;
constexpr double kLeast = 620;  // the legend's width

struct Used {
  std::map<int64_t, std::set<int64_t>> lanes;  // indices of the nodes that stand in each
  std::set<int64_t> layers;
};

// f(name, node) of every node that is drawn.
template <typename F>
void for_nodes(const Graph& graph, const CircuitNodes& nodes, const F& f) {
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    if (nodes.upstream[u]) f(graph.upstream_name(u), graph.upstream(u));
  }
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    if (nodes.downstream[v]) f(graph.downstream_name(v), graph.downstream(v));
  }
}

Used used_by(const Graph& graph, const CircuitNodes& nodes) {
  Used used;
  for_nodes(graph, nodes, [&](const std::string&, const GraphNode& node) {
    if (node.layer < 0) return;
    used.layers.insert(node.layer);
    used.lanes[node.kind->lane(graph)].insert(node.index);
  });
  return used;
}

// Column of each element of a set, from `first` on.
std::map<int64_t, double> columns_of(const std::set<int64_t>& members, double first) {
  std::map<int64_t, double> columns;
  for (const int64_t m : members) columns[m] = first + kColumn * static_cast<double>(columns.size());
  return columns;
}

}  // namespace

std::string box_of(const std::string& reader) { return reader.substr(0, reader.find('<')); }

SvgLayout svg_layout(const Graph& graph, const Circuit& circuit) {
  const CircuitNodes nodes = nodes_of(graph, circuit);
  const Used used = used_by(graph, nodes);
  SvgLayout layout;
  // Only heads and blocks that some layer uses have a column, the same in every layer.
  std::map<int64_t, std::map<int64_t, double>> columns;
  double next = kLeft + kColumn / 2;
  for (const auto& [lane, members] : used.lanes) {
    columns[lane] = columns_of(members, next);
    next += kColumn * static_cast<double>(members.size());
  }
  const double right = next - kColumn / 2;
  layout.width = std::max(right + kRight, kLeast);
  layout.height = kLegend + 2 * kEnd + kBandHeight * static_cast<double>(used.layers.size());
  const double ground = layout.height - kLegend;
  std::map<int64_t, double> head_y;
  for (const int64_t layer : used.layers) {
    const double bottom = ground - kEnd - kBandHeight * static_cast<double>(head_y.size());
    layout.bands.push_back({layer, bottom - kBandHeight, kBandHeight});
    head_y[layer] = bottom - 34;
  }
  const double middle = (kLeft + layout.width - kRight) / 2;
  for_nodes(graph, nodes, [&](const std::string& name, const GraphNode& node) {
    Spot spot{middle, ground - kEnd / 2, node.kind->has_ports};
    if (node.is(kLogitsNode)) spot.y = kEnd / 2;
    if (node.layer >= 0) {
      spot.x = columns.at(node.kind->lane(graph)).at(node.index);
      spot.y = head_y[node.layer] - node.kind->rise;
    }
    layout.boxes[box_of(name)] = spot;
  });
  return layout;
}

SvgEnds ends_of(const SvgLayout& layout, const Graph& graph, const Edge& edge) {
  SvgEnds ends{layout.boxes.at(graph.upstream_name(edge.upstream)),
               layout.boxes.at(box_of(graph.downstream_name(edge.downstream)))};
  ends.from.y -= kBoxHeight / 2;
  ends.to.y += kBoxHeight / 2;
  ends.to.x += kPortGap * static_cast<double>(graph.downstream(edge.downstream).kind->port_side);
  return ends;
}

}  // namespace circuit
