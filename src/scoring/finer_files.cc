#include "scoring/finer_files.h"

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/setting_name.h"
#include "io/files.h"
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

ChannelScores read_channel_scores(const std::string& path) {
  const MappedFile file(path);
  for (const TensorEntry& entry : parse_safetensors(file.text(), path).tensors) {
    if (entry.name != "channel_scores") continue;
    if (entry.dtype != "F32" || entry.shape.size() != 2) {
      fail(path, "tensor '{}': found {} of {} dimensions, expected F32 of 2.", entry.name, entry.dtype,
           entry.shape.size());
    }
    ChannelScores scores{entry.shape[0], entry.shape[1], {}, 0};
    scores.values.resize(entry.size / sizeof(float));
    std::memcpy(scores.values.data(), file.data() + entry.begin, entry.size);
    for (size_t i = 0; i < scores.values.size(); ++i) {
      if (std::isfinite(scores.values[i])) continue;
      const auto at = static_cast<int64_t>(i);
      fail(path, "tensor '{}': the score of channel {} of layer {} is not finite.", entry.name, at % scores.channels,
           at / scores.channels);
    }
    return scores;
  }
  fail(path, "tensor 'channel_scores' is missing: expected the file that discover writes with {}.",
       setting("channels"));
}

}  // namespace circuit
