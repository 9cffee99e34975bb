#include "scoring/finer_files.h"

#include <fmt/format.h>

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

namespace {

// A tensor of finite float32 with so many dimensions; `option` writes such files. values: its own.
TensorEntry read_scores(const MappedFile& file, const SafetensorsHeader& header, const char* name, size_t dimensions,
                        const char* option, std::vector<float>* values) {
  const std::string& path = file.path();
  for (const TensorEntry& entry : header.tensors) {
    if (entry.name != name) continue;
    if (entry.dtype != "F32" || entry.shape.size() != dimensions) {
      fail(path, "tensor '{}': found {} of {} dimensions, expected F32 of {}.", name, entry.dtype, entry.shape.size(),
           dimensions);
    }
    values->resize(entry.size / sizeof(float));
    std::memcpy(values->data(), file.data() + entry.begin, entry.size);
    for (size_t i = 0; i < values->size(); ++i) {
      if (std::isfinite((*values)[i])) continue;
      std::vector<int64_t> place(dimensions);
      auto rest = static_cast<int64_t>(i);
      for (size_t d = dimensions; d-- > 0; rest /= entry.shape[d]) place[d] = rest % entry.shape[d];
      fail(path, "tensor '{}': the score at [{}] is not finite.", name, fmt::join(place, ", "));
    }
    return entry;
  }
  fail(path, "tensor '{}' is missing: expected the file that discover writes with {}.", name, setting(option));
}

std::vector<std::string> names_in(const SafetensorsHeader& header, const char* key, int64_t count,
                                  const std::string& path) {
  const auto text = header.metadata.find(key);
  if (text == header.metadata.end()) fail(path, "metadata: '{}' is missing.", key);
  const std::string place = path + ", metadata " + key;
  const Json list = parse_json(text->second, place);
  if (!list.is_array() || static_cast<int64_t>(list.size()) != count) {
    fail(place, "found {} names, expected {}.", list.is_array() ? list.size() : 0, count);
  }
  std::vector<std::string> names;
  for (const Json& name : list) {
    if (!name.is_string()) fail(place, "found a {}, expected a name.", name.type_name());
    names.push_back(name.get<std::string>());
  }
  return names;
}

}  // namespace

ChannelScores read_channel_scores(const std::string& path) {
  const MappedFile file(path);
  ChannelScores scores;
  const TensorEntry entry =
      read_scores(file, parse_safetensors(file.text(), path), "channel_scores", 2, "channels", &scores.values);
  scores.layers = entry.shape[0];
  scores.channels = entry.shape[1];
  return scores;
}

SpanFile read_span_scores(const std::string& path) {
  const MappedFile file(path);
  const SafetensorsHeader header = parse_safetensors(file.text(), path);
  SpanFile read;
  const TensorEntry entry = read_scores(file, header, "span_scores", 3, "spans", &read.scores.values);
  if (entry.shape[1] != entry.shape[2] || entry.shape[1] == 0) {
    fail(path, "tensor 'span_scores': found {} by {} spans, expected as many by as many.", entry.shape[1],
         entry.shape[2]);
  }
  read.edges = names_in(header, "edges", entry.shape[0], path);
  read.scores.names = names_in(header, "spans", entry.shape[1], path);
  return read;
}

}  // namespace circuit
