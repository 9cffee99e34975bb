// The JSON of EAP-IG and MIB.
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/log.h"
#include "graph/circuit_file_forms.h"
#include "graph/circuit_file_scan.h"
#include "graph/links.h"

namespace circuit {
namespace {

const Json& require_object(const Json& object, const std::string& key, const std::string& place) {
  const Json& value = require(object, key, place);
  if (!value.is_object()) fail(place, "{}: found a {}, expected an object.", key, value.type_name());
  return value;
}

int64_t require_size(const Json& cfg, const std::string& key, const std::string& place) {
  const int64_t value = require_int(cfg, key, place);
  if (value < 1) fail(place, "{}: found {}, expected at least 1.", key, value);
  return value;
}

// Every reader has an edge, so a graph has more edges than readers: a cfg that asks for more readers than the
// file has edges is refused before anything of its size is made.
void check_size(const CircuitShape& shape, int64_t edges, const std::string& place) {
  const Architecture& a = shape.architecture;
  const int64_t kv = shape.key_values == KeyValueNodes::kGrouped ? a.n_kv_heads : a.n_heads;
  // Bounded one by one first, so that the product cannot overflow.
  constexpr int64_t kMostEdges = int64_t{1} << 31;
  const bool fits = edges < kMostEdges && a.n_layers < edges && a.n_heads < edges && shape.mlp_blocks < edges &&
                    a.n_heads + 2 * kv <= edges / a.n_layers &&
                    a.n_layers * (a.n_heads + 2 * kv) + shape.mlp_nodes() <= edges;
  if (fits) return;
  fail(place, "{} layers of {} heads do not go with the {} edges of the file.", a.n_layers, a.n_heads, edges);
}

// A circuit of nodes alone lists all of them.
void check_nodes_count(const CircuitShape& shape, int64_t nodes, const std::string& place) {
  const Architecture& a = shape.architecture;
  const bool fits = a.n_layers < nodes && a.n_heads < nodes && shape.mlp_blocks < nodes &&
                    a.n_layers * a.n_heads + shape.mlp_nodes() + 2 == nodes;
  if (fits) return;
  fail(place, "{} layers of {} heads do not go with the {} nodes of the file, which has no edges.", a.n_layers,
       a.n_heads, nodes);
}

// nodes: as many as the file lists, which bound a graph that has no edges to bound it.
CircuitShape shape_of(const Json& cfg, const std::vector<ScannedEdge>& edges, size_t nodes, const std::string& path) {
  const std::string place = path + ", cfg";
  CircuitShape shape;
  Architecture& a = shape.architecture;
  a.n_layers = require_size(cfg, "n_layers", place);
  a.n_heads = require_size(cfg, "n_heads", place);
  a.n_kv_heads = optional_int(cfg, "n_kv_heads", a.n_heads, place);
  if (a.n_kv_heads < 1 || a.n_heads % a.n_kv_heads != 0) {
    fail(place, "n_kv_heads: found {}, expected a divisor of the {} heads.", a.n_kv_heads, a.n_heads);
  }
  a.every_layer().set_parallel(optional_bool(cfg, "parallel_attn_mlp", false, place));
  a.d_model = optional_int(cfg, "d_model", 0, place);
  a.d_head = optional_int(cfg, "d_head", 0, place);
  const auto of_group = [](const ScannedEdge& edge) { return edge.name == "input->a0.kv0<k>"; };
  const bool grouped = a.n_kv_heads == a.n_heads || std::any_of(edges.begin(), edges.end(), of_group);
  shape.key_values = grouped ? KeyValueNodes::kGrouped : KeyValueNodes::kUngrouped;
  shape.read_mlps(cfg, place);
  if (edges.empty()) {
    check_nodes_count(shape, static_cast<int64_t>(nodes), place);
  } else {
    check_size(shape, static_cast<int64_t>(edges.size()), place);
  }
  return shape;
}

bool require_in_graph(const Json& value, const std::string& place) {
  if (!value.is_boolean()) fail(place, "in_graph: found a {}, expected true or false.", value.type_name());
  return value.get<bool>();
}

// Neurons of a node, as EAP-IG has them: dimensions of its output.
void warn_of_neurons(const Json& node, const std::string& place) {
  if (!node.is_object() || !node.contains("neurons") || !node["neurons"].is_array()) return;
  const Json& neurons = node["neurons"];
  const auto out = std::count_if(neurons.begin(), neurons.end(), [](const Json& n) {
    return (n.is_boolean() && !n.get<bool>()) || (n.is_number() && n.get<double>() == 0);
  });
  if (out > 0)
    log_warning("{}: leaves out {} of its {} neurons; it is read with all of them.", place, out, neurons.size());
}

void check_nodes(const Json& nodes, const Graph& graph, const std::string& path) {
  std::unordered_set<std::string> known{"logits"};
  for (int64_t u = 0; u < graph.n_upstream(); ++u) known.insert(graph.upstream_name(u));
  for (const auto& [name, node] : nodes.items()) {
    const std::string place = path + ", node '" + name + "'";
    if (known.count(name) == 0) {
      fail(place, "not a node of {} layers of {} heads, as cfg says.", graph.n_layers(), graph.n_heads());
    }
    require_in_graph(node.is_object() ? require(node, "in_graph", place) : node, place);
    warn_of_neurons(node, place);
  }
}

float score_of(const ScannedEdge& edge, const std::string& path) {
  if (std::fabs(edge.score) > std::numeric_limits<float>::max()) {
    fail(path, "edge '{}': found score {}, expected a number that float32 holds.", edge.name, edge.score);
  }
  return static_cast<float>(edge.score);
}

float stability_of(const ScannedEdge& edge, const std::string& path) {
  // Read as zeros, edges without one would pass for unstable ones.
  if (!edge.stability) fail(path, "edge '{}': stability is missing, though other edges have one.", edge.name);
  check_stability(*edge.stability, edge.name, path);
  return static_cast<float>(*edge.stability);
}

void place_edges(const std::vector<ScannedEdge>& edges, const Graph& graph, const std::string& path,
                 CircuitFile* file) {
  std::unordered_map<std::string, int64_t> ids;
  ids.reserve(graph.n_edges());
  for (int64_t id = 0; id < graph.n_edges(); ++id) ids.emplace(graph.edge_name(id), id);
  std::vector<bool> present(graph.n_edges());
  std::vector<bool> inside(graph.n_edges());
  file->scores.values.resize(graph.n_edges());
  const bool stable =
      std::any_of(edges.begin(), edges.end(), [](const ScannedEdge& e) { return e.stability.has_value(); });
  if (stable) file->stability.resize(graph.n_edges());
  for (const ScannedEdge& edge : edges) {
    const auto found = ids.find(edge.name);
    if (found == ids.end()) {
      fail(path, "edge '{}': not an edge of {} layers of {} heads, as cfg says.", edge.name, graph.n_layers(),
           graph.n_heads());
    }
    const int64_t id = found->second;
    if (present[id]) fail(path, "edge '{}' appears twice.", edge.name);
    present[id] = true;
    inside[id] = edge.in_graph;
    file->scores.values[id] = score_of(edge, path);
    if (stable) file->stability[id] = stability_of(edge, path);
  }
  for (int64_t id = 0; id < graph.n_edges(); ++id) {
    // Read as zeros, a file that lacks edges would pass for one that scored them so.
    if (!present[id]) {
      fail(path, "edge '{}' is missing: found {} edges, expected all {}.", graph.edge_name(id), edges.size(),
           graph.n_edges());
    }
    if (inside[id]) file->circuit.edges.push_back(id);
  }
}

// All edges among the nodes that are in; a reader is in when its head is, or any head of its group.
void place_nodes(const Json& nodes, const Graph& graph, CircuitFile* file) {
  std::unordered_set<std::string> inside;
  for (const auto& [name, node] : nodes.items()) {
    if ((node.is_object() ? node["in_graph"] : node).get<bool>()) inside.insert(name);
  }
  const auto has = [&](int64_t u) { return inside.count(graph.upstream_name(u)) > 0; };
  file->scores.values.assign(graph.n_edges(), 0.F);
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    const std::vector<int64_t> writers = writers_of(graph, v);
    const bool read =
        v == graph.logits() ? inside.count("logits") > 0 : std::any_of(writers.begin(), writers.end(), has);
    if (!read) continue;
    for (int64_t u = 0; u < graph.visible(v); ++u) {
      if (has(u)) file->circuit.edges.push_back(graph.edge_id(u, v));
    }
  }
}

}  // namespace

CircuitFile parse_circuit_json(std::string_view text, const std::string& place) {
  const ScannedCircuit scanned = scan_circuit_json(text, place);
  const Json& json = scanned.root;
  const Json& cfg = require_object(json, "cfg", place);
  const Json& nodes = require_object(json, "nodes", place);
  if (!scanned.has_edges) fail(place, "key 'edges' is missing; of a circuit of nodes it is an empty object.");
  CircuitFile file;
  file.shape = shape_of(cfg, scanned.edges, nodes.size(), place);
  const Graph graph = file.shape.graph();
  check_nodes(nodes, graph, place);
  if (scanned.edges.empty()) {
    place_nodes(nodes, graph, &file);
  } else {
    place_edges(scanned.edges, graph, place, &file);
  }
  if (!json.contains("meta")) return file;
  for (const auto& [key, value] : require_object(json, "meta", place).items()) {
    file.meta[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return file;
}

}  // namespace circuit
