#include "evaluation/discover_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/table.h"

namespace circuit {
namespace {

constexpr size_t kShown = 10;

// Indices of the values of largest magnitude.
std::vector<size_t> strongest(const std::vector<float>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t shown = std::min(kShown, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(shown), order.end(),
                    [&](size_t a, size_t b) { return std::fabs(values[a]) > std::fabs(values[b]); });
  order.resize(shown);
  return order;
}

// The circuit's edges of largest |score|, at most kShown.
std::vector<int64_t> strongest_edges(const Discovered& found) {
  const std::vector<float>& scores = found.result.scores.values;
  std::vector<int64_t> strongest = found.selected.circuit.edges;
  std::sort(strongest.begin(), strongest.end(),
            [&](int64_t a, int64_t b) { return std::fabs(scores[a]) > std::fabs(scores[b]); });
  strongest.resize(std::min(kShown, strongest.size()));
  return strongest;
}

std::string selection_text(const Selected& selected) {
  std::string text;
  if (selected.target) {
    const TargetFound& t = *selected.target;
    text +=
        fmt::format("{:<16} {:.4f}  ({:.4f} to {:.4f}) with {} edges, {} after pruning, on {} held-out examples: {}\n",
                    "faithfulness", t.faithfulness.value, t.faithfulness.interval.low, t.faithfulness.interval.high,
                    with_commas(t.size.size), with_commas(t.edges_run), t.examples, t.held_out);
    if (t.size.below > 0) {
      text += fmt::format("{:<16} {:.4f} with {} edges, the next smaller size tried\n", "", t.size.below_value,
                          with_commas(t.size.below));
    }
  }
  if (selected.stability.empty()) return text;
  text +=
      fmt::format("{:<16} {} of the circuit's {} edges are selected in {:.0f} % or more of {} resamples\n", "stability",
                  with_commas(count_stable(selected)), with_commas(static_cast<int64_t>(selected.circuit.edges.size())),
                  100 * kStableShare, selected.resamples);
  return text;
}

std::string span_scores_text(const Graph& graph, const SpanScores& scores) {
  std::string text;
  text += fmt::format("strongest pairs of spans: read in, for\n");
  const size_t n = scores.names.size();
  for (const size_t i : strongest(scores.values)) {
    text += fmt::format("  {:<24} {:<12} {:<12} {:+.5f}\n", graph.edge_name(static_cast<int64_t>(i / (n * n))),
                        scores.names[i / n % n], scores.names[i % n], scores.values[i]);
  }
  return text;
}

Json to_json(const Agreement& a) {
  return {{"edges", a.edges}, {"pearson", a.pearson}, {"sign_agreement", a.sign_agreement}};
}

}  // namespace

Json discovered_json(const Discovered& found) {
  const Graph& graph = found.graph;
  const ScoreResult& result = found.result;
  const std::vector<int64_t> strongest = strongest_edges(found);
  const int64_t nodes = nodes_of(graph, found.selected.circuit).count();
  Json top = Json::array();
  for (const int64_t id : strongest)
    top.push_back({{"edge", graph.edge_name(id)}, {"score", result.scores.values[id]}});
  Json json = {
      {"metric", result.metric}, {"examples", result.examples},    {"edges", found.selected.circuit.edges.size()},
      {"nodes", nodes},          {"graph_edges", graph.n_edges()}, {"sum_rule_error", result.sum_rule_error},
      {"strongest", top}};
  if (found.verification)
    json["verify"] = {{"sampled", to_json(found.verification->sampled)}, {"top", to_json(found.verification->top)}};
  json.update(selection_json(found.selected));
  return json;
}

std::string discovered_text(const std::string& metric, const Discovered& found) {
  const Graph& graph = found.graph;
  const ScoreResult& result = found.result;
  const std::vector<int64_t> strongest = strongest_edges(found);
  const int64_t nodes = nodes_of(graph, found.selected.circuit).count();
  std::string text;
  text += fmt::format("{:<16} {:.4f} over {} examples\n", metric, result.metric, result.examples);
  text += fmt::format("{:<16} {} of {} edges, {} nodes\n", "circuit",
                      with_commas(static_cast<int64_t>(found.selected.circuit.edges.size())),
                      with_commas(graph.n_edges()), nodes);
  if (result.sum_rule_error > 0) {
    text += fmt::format("{:<16} holds to {:.1e} of a node's summed |score|\n", "sum rule", result.sum_rule_error);
  }
  text += selection_text(found.selected);
  if (found.verification) {
    for (const auto& [name, a] :
         {std::pair("sampled edges", found.verification->sampled), {"top edges", found.verification->top}}) {
      text += fmt::format("{:<16} {} ablated one by one: correlation {:.3f}, same sign {:.0f} %\n", name, a.edges,
                          a.pearson, 100 * a.sign_agreement);
    }
  }
  text += fmt::format("strongest edges\n");
  for (const int64_t id : strongest)
    text += fmt::format("  {:<24} {:+.5f}\n", graph.edge_name(id), result.scores.values[id]);
  if (result.spans) text += span_scores_text(graph, *result.spans);
  return text;
}

std::string channels_text(const Discovered& found) {
  if (!found.channels) return "";
  const ChannelScores& scores = *found.channels;
  std::string text;
  text += fmt::format("strongest MLP channels\n");
  for (const size_t i : strongest(scores.values)) {
    const auto at = static_cast<int64_t>(i);
    text +=
        fmt::format("  m{}, channel {:<12} {:+.5f}\n", at / scores.channels, at % scores.channels, scores.values[i]);
  }
  return text;
}

}  // namespace circuit
