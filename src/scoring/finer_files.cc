#include "scoring/finer_files.h"

#include "io/json.h"
#include "io/safetensors.h"

namespace circuit {

void write_span_scores(const std::string& path, const Graph& graph, const SpanScores& scores) {
  Json edges = Json::array();
  for (int64_t id = 0; id < graph.n_edges(); ++id) edges.push_back(graph.edge_name(id));
  const auto n = static_cast<int64_t>(scores.names.size());
  write_safetensors(path, {{"span_scores", "F32", {graph.n_edges(), n, n}, scores.values.data()}},
                    {{"edges", edges.dump()}, {"spans", Json(scores.names).dump()}});
}

void write_channel_scores(const std::string& path, const ChannelScores& scores) {
  write_safetensors(path, {{"channel_scores", "F32", {scores.layers, scores.channels}, scores.values.data()}}, {});
}

}  // namespace circuit
