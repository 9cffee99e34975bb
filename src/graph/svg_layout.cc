#include "graph/svg_layout.h"

#include <algorithm>
#include <set>

namespace circuit {
namespace {

constexpr double kColumn = 74;  // between heads
constexpr double kBandHeight = 118;
constexpr double kMlpRise = 46;  // an MLP stands above its layer's heads, which it reads
constexpr double kLeft = 84;     // layer names
constexpr double kRight = 96;    // edges that bend around the MLPs
constexpr double kEnd = 92;      // input's and logits' rows
constexpr double kLegend = 84;
constexpr double kLeast = 620;  // the legend's width

struct Used {
  std::set<int64_t> heads, groups, layers;
  std::set<int64_t> blocks;  // of MLPs
};

Used used_by(const Graph& graph, const CircuitNodes& nodes) {
  Used used;
  const bool shared = graph.kv_nodes() != graph.n_heads();
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    if (!nodes.upstream[u]) continue;
    const UpstreamNode node = graph.upstream(u);
    if (node.kind == UpstreamNode::Kind::kInput) continue;
    used.layers.insert(node.layer);
    if (node.kind == UpstreamNode::Kind::kHead) used.heads.insert(node.head);
    if (node.kind == UpstreamNode::Kind::kMlp) used.blocks.insert(node.block);
  }
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    if (!nodes.downstream[v]) continue;
    const DownstreamNode node = graph.downstream(v);
    if (node.kind == DownstreamNode::Kind::kLogits) continue;
    used.layers.insert(node.layer);
    if (node.kind == DownstreamNode::Kind::kMlp) {
      used.blocks.insert(node.block);
      continue;
    }
    const bool group = shared && node.kind != DownstreamNode::Kind::kQuery;
    (group ? used.groups : used.heads).insert(node.head);
  }
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
  const auto groups = columns_of(used.groups, kLeft + kColumn / 2);
  const double first_head = kLeft + kColumn * (0.5 + static_cast<double>(groups.size()));
  const auto heads = columns_of(used.heads, first_head);
  const double first_mlp = first_head + kColumn * static_cast<double>(heads.size());
  const auto mlps = columns_of(used.blocks, first_mlp);
  const double right = first_mlp + kColumn * (static_cast<double>(mlps.size()) - 0.5);
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
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    if (!nodes.upstream[u]) continue;
    const UpstreamNode node = graph.upstream(u);
    Spot spot{middle, ground - kEnd / 2};
    if (node.kind == UpstreamNode::Kind::kHead) spot = {heads.at(node.head), head_y[node.layer]};
    if (node.kind == UpstreamNode::Kind::kMlp) spot = {mlps.at(node.block), head_y[node.layer] - kMlpRise};
    layout.boxes[graph.upstream_name(u)] = spot;
  }
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    if (!nodes.downstream[v]) continue;
    const DownstreamNode node = graph.downstream(v);
    Spot spot{middle, kEnd / 2};
    const std::string name = box_of(graph.downstream_name(v));
    if (node.kind == DownstreamNode::Kind::kMlp) {
      spot = {mlps.at(node.block), head_y[node.layer] - kMlpRise};
    } else if (node.kind != DownstreamNode::Kind::kLogits) {
      const bool group = name.find(".kv") != std::string::npos;
      spot = {(group ? groups : heads).at(node.head), head_y[node.layer]};
    }
    layout.boxes[name] = spot;
  }
  return layout;
}

SvgEnds ends_of(const SvgLayout& layout, const std::string& writer, const std::string& reader) {
  SvgEnds ends{layout.boxes.at(writer), layout.boxes.at(box_of(reader))};
  ends.from.y -= kBoxHeight / 2;
  ends.to.y += kBoxHeight / 2;
  const size_t bracket = reader.find('<');
  if (bracket == std::string::npos) return ends;
  const char port = reader[bracket + 1];
  ends.to.x += port == 'q' ? -kPortGap : port == 'v' ? kPortGap : 0;
  return ends;
}

}  // namespace circuit
