#include "report/drawing_data.h"

#include <cmath>
#include <cstring>
#include <unordered_map>

namespace circuit {
namespace {

std::unordered_map<std::string, int64_t> index_of(const std::vector<std::string>& names) {
  std::unordered_map<std::string, int64_t> index;
  for (size_t i = 0; i < names.size(); ++i) index.emplace(names[i], static_cast<int64_t>(i));
  return index;
}

void append_bytes(std::string& bytes, uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
}

std::string halves(const std::vector<float>& values, float scale) {
  std::string bytes;
  for (const float value : values) append_bytes(bytes, to_half(value / scale), 2);
  return base64(bytes);
}

float largest(const std::vector<float>& values, float so_far) {
  for (const float value : values) {
    if (std::isfinite(value)) so_far = std::max(so_far, std::abs(value));
  }
  return so_far;
}

}  // namespace

std::string base64(const std::string& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
  }
  return text;
}

uint16_t to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const float size = std::abs(value);
  if (std::isnan(value)) return sign | 0x7E00;
  if (size >= 65520.0f) return sign | 0x7C00;
  // Below 2^-14 halves are multiples of 2^-24; nearbyint rounds ties to even.
  if (size < 6.103515625e-5f)
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(size * 16777216.0f)));
  bits &= 0x7FFFFFFF;
  bits += 0xFFF + (bits >> 13 & 1);
  return static_cast<uint16_t>(sign | ((bits >> 13) - (112 << 10)));
}

Json drawing_data(const RunData& run) {
  const auto upstream = index_of(run.upstream_nodes);
  const auto downstream = index_of(run.downstream_nodes);
  Json edges = Json::array();
  std::unordered_map<int64_t, uint32_t> local;  // edge id → index in "edges"
  for (const auto& [id, names] : run.edges) {
    const auto u = upstream.find(names.first);
    const auto d = downstream.find(names.second);
    if (u == upstream.end() || d == downstream.end()) continue;
    local.emplace(id, static_cast<uint32_t>(local.size()));
    edges.push_back(u->second);
    edges.push_back(d->second);
  }
  const int id_bytes = local.size() > 0xFFFF ? 4 : 2;

  Json frames = Json::array();
  for (const Frame& frame : run.frames) {
    std::string ids;
    std::vector<float> scores;
    for (const auto& [id, score] : frame.strongest) {
      const auto found = local.find(id);
      if (found == local.end()) continue;
      append_bytes(ids, found->second, id_bytes);
      scores.push_back(score);
    }
    // Halves have eleven bits wherever the value lies between 6e-5 and 65504: put the largest at 1024.
    const float top =
        largest(frame.downstream_strength, largest(frame.upstream_strength, largest(scores, 0)));
    const float scale = top > 0 ? std::max(top / 1024.0f, 1e-37f) : 1.0f;
    const DiscoveryRow& row = run.discoveries[frame.discovery];
    frames.push_back({{"step", row.step},
                      {"n_edges", row.n_edges},
                      {"n_nodes", row.n_nodes},
                      {"share", row.trainable_share},
                      {"scale", scale},
                      {"ids", base64(ids)},
                      {"scores", halves(scores, scale)},
                      {"upstream", halves(frame.upstream_strength, scale)},
                      {"downstream", halves(frame.downstream_strength, scale)}});
  }
  const auto parallel = run.graph.find("parallel");
  return {{"name", run.name},
          {"upstream", run.upstream_nodes},
          {"downstream", run.downstream_nodes},
          {"edges", std::move(edges)},
          {"frames", std::move(frames)},
          {"discoveries", run.discoveries.size()},
          {"parallel", parallel != run.graph.end() && parallel->is_boolean() && parallel->get<bool>()},
          {"id_bytes", id_bytes}};
}

}  // namespace circuit
