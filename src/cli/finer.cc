#include "cli/finer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "io/json.h"
#include "io/safetensors.h"

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

}  // namespace

void write_span_scores(const std::string& path, const Graph& graph, const SpanScores& scores) {
  Json edges = Json::array();
  for (int64_t id = 0; id < graph.n_edges(); ++id) edges.push_back(graph.edge_name(id));
  const auto n = static_cast<int64_t>(scores.names.size());
  write_safetensors(path, {{"span_scores", "F32", {graph.n_edges(), n, n}, scores.values.data()}},
                    {{"edges", edges.dump()}, {"spans", Json(scores.names).dump()}});
}

void print_span_scores(const Graph& graph, const SpanScores& scores) {
  fmt::print("strongest pairs of spans: read in, for\n");
  const size_t n = scores.names.size();
  for (const size_t i : strongest(scores.values)) {
    fmt::print("  {:<24} {:<12} {:<12} {:+.5f}\n", graph.edge_name(static_cast<int64_t>(i / (n * n))),
               scores.names[i / n % n], scores.names[i % n], scores.values[i]);
  }
}

void write_channel_scores(const std::string& path, const ChannelScores& scores) {
  write_safetensors(path, {{"channel_scores", "F32", {scores.layers, scores.channels}, scores.values.data()}}, {});
}

void print_channel_scores(const ChannelScores& scores) {
  fmt::print("strongest MLP channels\n");
  for (const size_t i : strongest(scores.values)) {
    const auto at = static_cast<int64_t>(i);
    fmt::print("  m{}, channel {:<12} {:+.5f}\n", at / scores.channels, at % scores.channels, scores.values[i]);
  }
}

}  // namespace circuit
