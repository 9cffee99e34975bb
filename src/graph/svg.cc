#include "graph/svg.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <set>
#include <vector>

#include "graph/links.h"
#include "graph/svg_layout.h"

namespace circuit {
namespace {

// Told apart by readers who confuse red and green, and in grey: orange is the lighter one.
constexpr const char* kPositive = "#1f6fb8";
constexpr const char* kNegative = "#d9742f";

constexpr const char* kStayed = "#8a949e";

// What an edge's colour is, and what the colours say.
struct Colors {
  std::function<const char*(int64_t edge)> of;
  std::vector<std::pair<const char*, std::string>> legend;  // escaped
};

Colors by_sign(const EdgeScores& scores) {
  return {[&scores](int64_t id) { return scores.values[id] >= 0 ? kPositive : kNegative; },
          {{kPositive, "supports the metric (score &gt; 0)"}, {kNegative, "works against it (score &lt; 0)"}}};
}

std::string escape(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// How strongly edges are drawn, by how many there are: two thousand at full width would be one blot.
struct Pen {
  double thinnest, widest, palest, darkest;
};

Pen pen_for(size_t edges) {
  const double crowd = std::sqrt(100.0 / static_cast<double>(std::max<size_t>(edges, 1)));
  return {std::clamp(0.8 * crowd, 0.35, 0.8), std::clamp(6 * crowd, 3.0, 6.0), std::clamp(0.55 * crowd, 0.10, 0.55),
          0.9};
}

float largest_of(const Circuit& circuit, const EdgeScores& scores) {
  float largest = 0;
  for (const int64_t id : circuit.edges) largest = std::max(largest, std::fabs(scores.values[id]));
  return largest;
}

std::string edge_svg(const SvgLayout& layout, const Graph& graph, int64_t id, float score, float largest,
                     const Pen& pen, const char* color) {
  const SvgEnds ends = ends_of(layout, graph, graph.edge(id));
  const double strength = largest > 0 ? std::fabs(score) / largest : 1;
  const double rise = ends.from.y - ends.to.y;
  // Edges straight up one column would lie on each other: they bend aside, the further the longer they are.
  const double span = std::min(rise / 7, 80.0);
  const double bend = std::fabs(ends.from.x - ends.to.x) < kPortGap + 1 ? span : 0;
  return fmt::format(
      "<path d=\"M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}\" stroke=\"{}\" "
      "stroke-width=\"{:.2f}\" "
      "stroke-opacity=\"{:.2f}\"><title>{} {:+.6g}</title></path>\n",
      ends.from.x, ends.from.y, ends.from.x + bend, ends.from.y - rise * 0.4, ends.to.x + bend, ends.to.y + rise * 0.4,
      ends.to.x, ends.to.y, color, pen.thinnest + (pen.widest - pen.thinnest) * strength,
      pen.palest + (pen.darkest - pen.palest) * std::sqrt(strength), escape(graph.edge_name(id)), score);
}

std::string edges_svg(const SvgLayout& layout, const Graph& graph, const Circuit& circuit, const EdgeScores& scores,
                      const Colors& colors) {
  std::vector<int64_t> order = circuit.edges;
  // The strongest last, on top.
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return std::fabs(scores.values[a]) < std::fabs(scores.values[b]); });
  const float largest = largest_of(circuit, scores);
  const Pen pen = pen_for(order.size());
  std::string text = "<g class=\"edges\" fill=\"none\">\n";
  for (const int64_t id : order) text += edge_svg(layout, graph, id, scores.values[id], largest, pen, colors.of(id));
  return text + "</g>\n";
}

std::string bands_svg(const SvgLayout& layout) {
  std::string text = "<g class=\"layers\" fill=\"#5c6773\">\n";
  for (size_t i = 0; i < layout.bands.size(); ++i) {
    const SvgBand& band = layout.bands[i];
    text += fmt::format("<rect x=\"0\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>", band.top,
                        layout.width, band.height, i % 2 == 0 ? "#f5f6f4" : "#ffffff");
    text += fmt::format("<text x=\"12\" y=\"{:.1f}\" text-anchor=\"start\">layer {}</text>\n",
                        band.top + band.height / 2, band.layer);
  }
  return text + "</g>\n";
}

// Inside a model's group, from the keys and values that heads share to those of them that are drawn.
std::string links_svg(const SvgLayout& layout, const Graph& graph, const CircuitNodes& nodes) {
  if (graph.kv_nodes() == graph.n_heads()) return "";
  std::set<std::pair<std::string, std::string>> links;
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    const std::vector<int64_t> heads = writers_of(graph, v);
    if (!nodes.downstream[v] || heads.size() < 2) continue;
    for (const int64_t u : heads) links.emplace(box_of(graph.downstream_name(v)), graph.upstream_name(u));
  }
  std::string text = "<g class=\"groups\" fill=\"none\" stroke=\"#9aa5b1\" stroke-dasharray=\"2 3\">\n";
  for (const auto& [reader, head] : links) {
    const auto to = layout.boxes.find(head);
    if (to == layout.boxes.end()) continue;
    const Spot from = layout.boxes.at(reader);
    // Over the boxes between them.
    text += fmt::format("<path d=\"M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}\"/>\n", from.x, from.y - kBoxHeight / 2,
                        (from.x + to->second.x) / 2, from.y - kBoxHeight * 1.4, to->second.x,
                        to->second.y - kBoxHeight / 2);
  }
  return text + "</g>\n";
}

std::string nodes_svg(const SvgLayout& layout, const Graph& graph, const CircuitNodes& nodes) {
  std::string text = "<g class=\"nodes\">\n";
  for (const auto& [name, spot] : layout.boxes) {
    const double above_ports = spot.ports ? 3 : 0;
    text += fmt::format(
        "<g><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" rx=\"5\" fill=\"#ffffff\" "
        "stroke=\"#7b8794\"/><text x=\"{:.1f}\" y=\"{:.1f}\">{}</text></g>\n",
        spot.x - kBoxWidth / 2, spot.y - kBoxHeight / 2, kBoxWidth, kBoxHeight, spot.x, spot.y - above_ports,
        escape(name));
  }
  text += "</g>\n<g class=\"ports\" font-size=\"9\" fill=\"#5c6773\">\n";
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    const NodeKind& kind = *graph.downstream(v).kind;
    if (!nodes.downstream[v] || kind.port == '\0') continue;
    const Spot box = layout.boxes.at(box_of(graph.downstream_name(v)));
    text +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                    box.x + kPortGap * static_cast<double>(kind.port_side), box.y + kBoxHeight / 2 - 5.5, kind.port);
  }
  return text + "</g>\n";
}

std::string legend_svg(const SvgLayout& layout, const Graph& graph, const Circuit& circuit, const EdgeScores& scores,
                       const Colors& colors) {
  const char* groups = graph.kv_nodes() == graph.n_heads() ? "" : " Dotted: the heads that share keys and values.";
  const double y = layout.height - 60;
  const auto entry = [&](double x, double row, const char* color, const std::string& text) {
    return fmt::format(
        "<path d=\"M{0:.1f} {1:.1f}h26\" stroke=\"{2}\" stroke-width=\"4\"/>"
        "<text x=\"{3:.1f}\" y=\"{1:.1f}\">{4}</text>\n",
        x, row, color, x + 34, text);
  };
  std::string text = "<g class=\"legend\" text-anchor=\"start\" fill=\"#1b2430\">\n";
  double x = 12;
  for (const auto& [color, meaning] : colors.legend) {
    text += entry(x, y, color, meaning);
    x += colors.legend.size() == 2 ? 250 : 170;  // three have shorter words
  }
  return text + fmt::format(
                    "<text x=\"12\" y=\"{:.1f}\">{} edges, width by |score|; the widest is {:.4g}. Point at an edge "
                    "for "
                    "its name.</text>\n<text x=\"12\" y=\"{:.1f}\">At the bottom of a head: what the edge is read "
                    "for, "
                    "q, k or v.{}</text>\n</g>\n",
                    y + 22, circuit.edges.size(), largest_of(circuit, scores), y + 42, groups);
}

std::string drawn(const Graph& graph, const Circuit& circuit, const EdgeScores& scores, const Colors& colors) {
  const SvgLayout layout = svg_layout(graph, circuit);
  const CircuitNodes nodes = nodes_of(graph, circuit);
  return fmt::format(
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
             "viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" font-family=\"Helvetica, "
             "Arial, "
             "sans-serif\" font-size=\"12\" text-anchor=\"middle\" role=\"img\" aria-label=\"Circuit of {2} "
             "edges\">\n"
             "<style>text {{ dominant-baseline: central; }} .nodes, .ports {{ pointer-events: none; }} "
             ".edges path:hover {{ stroke-opacity: 1; stroke-width: 6; }}</style>\n"
             "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
             layout.width, layout.height, circuit.edges.size()) +
         bands_svg(layout) + edges_svg(layout, graph, circuit, scores, colors) + links_svg(layout, graph, nodes) +
         nodes_svg(layout, graph, nodes) + legend_svg(layout, graph, circuit, scores, colors) + "</svg>\n";
}

}  // namespace

std::string to_svg(const Graph& graph, const Circuit& circuit, const EdgeScores& scores) {
  return drawn(graph, circuit, scores, by_sign(scores));
}

std::string to_svg_of_two(const Graph& graph, const Circuit& a, const EdgeScores& scores_a, const Circuit& b,
                          const EdgeScores& scores_b) {
  Circuit either;
  std::set_union(a.edges.begin(), a.edges.end(), b.edges.begin(), b.edges.end(), std::back_inserter(either.edges));
  const auto in = [](const Circuit& circuit, int64_t id) {
    return std::binary_search(circuit.edges.begin(), circuit.edges.end(), id);
  };
  EdgeScores scores = scores_b;
  size_t both = a.edges.size() + b.edges.size() - either.edges.size();
  for (const int64_t id : a.edges) {
    if (!in(b, id)) scores.values[id] = scores_a.values[id];
  }
  const Colors colors{[&](int64_t id) { return !in(a, id)   ? kPositive
                                               : !in(b, id) ? kNegative
                                                            : kStayed; },
                      {{kStayed, fmt::format("in both ({})", both)},
                       {kNegative, fmt::format("only in A ({})", a.edges.size() - both)},
                       {kPositive, fmt::format("only in B ({})", b.edges.size() - both)}}};
  return drawn(graph, either, scores, colors);
}

}  // namespace circuit
