// The compact form: scores and membership in edge order as safetensors, node names in the metadata.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "core/error.h"
#include "graph/circuit_file_forms.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace circuit {
namespace {

constexpr char kUpstream[] = "upstream_nodes";
constexpr char kDownstream[] = "downstream_nodes";

std::string key_place(const std::string& path, const char* key) { return path + ", __metadata__." + key; }

std::vector<std::string> names_in(const SafetensorsHeader& header, const char* key, const std::string& path) {
  const std::string place = key_place(path, key);
  const auto found = header.metadata.find(key);
  if (found == header.metadata.end()) fail(place, "is missing: this is no circuit file.");
  const Json json = parse_json(found->second, place);
  if (!json.is_array()) fail(place, "found a JSON {}, expected a list of names.", json.type_name());
  std::vector<std::string> names;
  for (const Json& name : json) {
    if (!name.is_string()) fail(place, "found a {}, expected names only.", name.type_name());
    names.push_back(name.get<std::string>());
  }
  return names;
}

// What the name of a writer says: "a3.h0", "m3" or "m3.e1".
struct WriterName {
  bool head = false, routed = false, part = false;
  int64_t layer = -1;  // none
};

WriterName parse_writer(const std::string& name) {
  WriterName w;
  const size_t dot = std::min(name.find('.'), name.size());
  if (name.size() < 2 || (name[0] != 'a' && name[0] != 'm')) return w;
  const char* end = name.data() + dot;
  const auto parsed = std::from_chars(name.data() + 1, end, w.layer);
  if (parsed.ec != std::errc() || parsed.ptr != end) w.layer = -1;
  w.head = name[0] == 'a';
  w.part = dot < name.size();
  w.routed = !w.head && name.compare(dot, 2, ".e") == 0;
  return w;
}

// The sizes follow from the names; check_names compares every one then.
CircuitShape shape_of(const std::vector<std::string>& up, const std::vector<std::string>& down,
                      const std::string& path) {
  CircuitShape shape;
  Architecture& a = shape.architecture;
  std::map<int64_t, int64_t> mlps;  // MLP nodes by layer
  int64_t routed = 0;
  int64_t heads = 0;
  std::set<int64_t> split;  // layers whose MLP is no single node
  for (const std::string& name : up) {
    const WriterName w = parse_writer(name);
    if (w.layer < 0) continue;
    heads += w.head ? 1 : 0;
    routed += w.routed ? 1 : 0;
    if (w.head) continue;
    shape.mlp_blocks = std::max(shape.mlp_blocks, ++mlps[w.layer]);
    if (w.part) split.insert(w.layer);
  }
  a.n_layers = static_cast<int64_t>(mlps.size());
  a.n_heads = a.n_layers > 0 ? heads / a.n_layers : 0;
  if (!split.empty()) shape.routed_experts = routed / static_cast<int64_t>(split.size());
  for (const auto& [layer, count] : mlps) {
    const bool counted = layer < a.n_layers && split.count(layer) == 0;
    if (counted && !split.empty()) shape.dense_layers.push_back(layer);
  }
  const auto is_key = [](const std::string& name) {
    return name.rfind("a0.", 0) == 0 && name.back() == '>' && name.compare(name.size() - 3, 3, "<k>") == 0;
  };
  a.n_kv_heads = std::count_if(down.begin(), down.end(), is_key);
  const auto n_up = static_cast<int64_t>(up.size());
  const auto n_down = static_cast<int64_t>(down.size());
  const int64_t routers = shape.routed_experts > 0 ? static_cast<int64_t>(split.size()) : 0;
  const bool mixed = shape.routed_experts > 0 || shape.dense_layers.empty();
  const bool counts = mixed && a.n_heads >= 1 && a.n_kv_heads >= 1 &&
                      a.n_heads % std::max<int64_t>(1, a.n_kv_heads) == 0 && shape.routed_experts <= shape.mlp_blocks &&
                      1 + a.n_layers * a.n_heads + shape.mlp_nodes() == n_up &&
                      a.n_layers * (a.n_heads + 2 * a.n_kv_heads) + shape.mlp_nodes() + routers + 1 == n_down;
  if (!counts) {
    fail(path, "the {} upstream and {} downstream names of its metadata are not those of a transformer's graph.", n_up,
         n_down);
  }
  // As many readers as the names have: grouped by construction, also where a reader per query head was made.
  shape.key_values = KeyValueNodes::kGrouped;
  return shape;
}

using NameOf = std::string (Graph::*)(int64_t) const;

void check_names(const std::vector<std::string>& names, const Graph& graph, NameOf name_of, int64_t expected,
                 const std::string& place) {
  const auto found = static_cast<int64_t>(names.size());
  for (int64_t i = 0; i < std::min(found, expected); ++i) {
    const std::string name = (graph.*name_of)(i);
    if (names[i] != name) fail(place, "name {}: found '{}', expected '{}'.", i, names[i], name);
  }
  if (found != expected) fail(place, "found {} names, expected {}.", found, expected);
}

const TensorEntry& tensor_of(const SafetensorsHeader& header, const std::string& name, const std::string& dtype,
                             const std::string& path) {
  for (const TensorEntry& entry : header.tensors) {
    if (entry.name != name) continue;
    if (entry.dtype != dtype || entry.shape.size() != 1) {
      fail(path, "tensor '{}': found {} of {} dimensions, expected {} of 1.", name, entry.dtype, entry.shape.size(),
           dtype);
    }
    return entry;
  }
  fail(path, "tensor '{}' is missing: this is no circuit file.", name);
}

// Empty where the file has none.
std::vector<float> stability_in(const SafetensorsHeader& header, std::string_view bytes, const Graph& graph,
                                const std::string& path) {
  const auto named = [](const TensorEntry& t) { return t.name == "stability"; };
  if (std::none_of(header.tensors.begin(), header.tensors.end(), named)) return {};
  const TensorEntry& entry = tensor_of(header, "stability", "F32", path);
  if (entry.shape[0] != graph.n_edges()) {
    fail(path, "tensor 'stability': found {} edges, expected the {} of 'scores'.", entry.shape[0], graph.n_edges());
  }
  std::vector<float> stability(graph.n_edges());
  std::memcpy(stability.data(), bytes.data() + entry.begin, entry.size);
  for (int64_t id = 0; id < graph.n_edges(); ++id) check_stability(stability[id], graph.edge_name(id), path);
  return stability;
}

// 0 where the metadata does not say.
int64_t width_in(const std::map<std::string, std::string>& meta, const char* key, const std::string& path) {
  const auto found = meta.find(key);
  if (found == meta.end()) return 0;
  int64_t width = 0;
  const char* end = found->second.data() + found->second.size();
  const auto parsed = std::from_chars(found->second.data(), end, width);
  if (parsed.ec == std::errc() && parsed.ptr == end && width > 0) return width;
  fail(key_place(path, key), "found '{}', expected a width.", found->second);
}

// Whether blocks are parallel is told by the number of edges alone: L·H fewer per MLP node.
Graph graph_of(CircuitShape* shape, int64_t edges, const std::string& path) {
  Graph sequential = shape->graph();
  if (edges == sequential.n_edges()) return sequential;
  shape->architecture.every_layer().set_parallel(true);
  Graph parallel = shape->graph();
  if (edges == parallel.n_edges()) return parallel;
  fail(path, "tensor 'scores': found {} scores, expected {}, or {} with parallel blocks.", edges, sequential.n_edges(),
       parallel.n_edges());
}

}  // namespace

CircuitFile parse_circuit_compact(std::string_view bytes, const std::string& place) {
  const SafetensorsHeader header = parse_safetensors(bytes, place);
  const TensorEntry& scores = tensor_of(header, "scores", "F32", place);
  const TensorEntry& members = tensor_of(header, "circuit", "U8", place);
  if (members.shape != scores.shape) {
    fail(place, "tensor 'circuit': found {} edges, expected the {} of 'scores'.", members.shape[0], scores.shape[0]);
  }
  CircuitFile file;
  const std::vector<std::string> up = names_in(header, kUpstream, place);
  const std::vector<std::string> down = names_in(header, kDownstream, place);
  file.shape = shape_of(up, down, place);
  const Graph graph = graph_of(&file.shape, scores.shape[0], place);
  check_names(up, graph, &Graph::upstream_name, graph.n_upstream(), key_place(place, kUpstream));
  check_names(down, graph, &Graph::downstream_name, graph.n_downstream(), key_place(place, kDownstream));
  file.scores.values.resize(graph.n_edges());
  std::memcpy(file.scores.values.data(), bytes.data() + scores.begin, scores.size);
  for (int64_t id = 0; id < graph.n_edges(); ++id) {
    const float score = file.scores.values[id];
    const auto flag = static_cast<unsigned char>(bytes[members.begin + id]);
    if (!std::isfinite(score)) {
      fail(place, "edge '{}': found score {}, expected a number.", graph.edge_name(id), score);
    }
    if (flag > 1) fail(place, "edge '{}': found membership {}, expected 0 or 1.", graph.edge_name(id), flag);
    if (flag == 1) file.circuit.edges.push_back(id);
  }
  file.stability = stability_in(header, bytes, graph, place);
  file.meta = header.metadata;
  file.shape.architecture.d_model = width_in(file.meta, "d_model", place);
  file.shape.architecture.d_head = width_in(file.meta, "d_head", place);
  file.meta.erase(kUpstream);
  file.meta.erase(kDownstream);
  return file;
}

}  // namespace circuit
