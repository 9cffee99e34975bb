#include "graph/circuit_file.h"

#include <fmt/core.h>

#include <set>

#include "core/error.h"
#include "graph/links.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace circuit {
namespace {

// "a0.h1<q>" and "a0.kv1<k>" belong to the field's node "a0.h1"; a group's readers to each of its heads.
std::set<std::string> field_nodes(const Graph& graph, const Circuit& circuit) {
  const CircuitNodes nodes = nodes_of(graph, circuit);
  std::set<std::string> names;
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    if (nodes.upstream[u]) names.insert(graph.upstream_name(u));
  }
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    if (!nodes.downstream[v]) continue;
    for (const int64_t u : writers_of(graph, v)) names.insert(graph.upstream_name(u));
    if (v == graph.logits()) names.insert(graph.downstream_name(v));
  }
  return names;
}

std::vector<bool> membership(const Graph& graph, const Circuit& circuit) {
  std::vector<bool> inside(graph.n_edges());
  for (const int64_t id : circuit.edges) inside[id] = true;
  return inside;
}

}  // namespace

int64_t CircuitShape::mlp_nodes() const {
  const auto dense = static_cast<int64_t>(dense_layers.size());
  return (architecture.n_layers - dense) * mlp_blocks + dense;
}

void CircuitShape::read_mlps(const Json& object, const std::string& place) {
  mlp_blocks = optional_int(object, "mlp_blocks", 1, place);
  if (mlp_blocks < 1) fail(place, "mlp_blocks: found {}, expected at least 1.", mlp_blocks);
  routed_experts = optional_int(object, "routed_experts", 0, place);
  if (routed_experts < 0 || routed_experts > mlp_blocks) {
    fail(place, "routed_experts: found {}, expected at most mlp_blocks = {}.", routed_experts, mlp_blocks);
  }
  const auto dense = object.find("dense_layers");
  if (dense == object.end()) return;
  if (!dense->is_array()) fail(place, "dense_layers: found a {}, expected an array.", dense->type_name());
  for (const Json& layer : *dense) {
    const int64_t least = dense_layers.empty() ? 0 : dense_layers.back() + 1;
    const bool good =
        layer.is_number_integer() && layer.get<int64_t>() >= least && layer.get<int64_t>() < architecture.n_layers;
    if (!good)
      fail(place, "dense_layers: found {}, expected layers of the {} in order.", layer.dump(), architecture.n_layers);
    dense_layers.push_back(layer.get<int64_t>());
  }
  const bool all = static_cast<int64_t>(dense_layers.size()) == architecture.n_layers;
  if (routed_experts == 0 || all) fail(place, "dense_layers: expected beside layers with routed_experts.");
}

Graph CircuitShape::graph() const {
  // Blocks of one channel each: their number is all that a graph's edges hang on.
  Architecture a = architecture;
  a.d_mlp = mlp_blocks;
  if (routed_experts > 0) {
    ExpertsSpec& experts = a.every_layer().mlp.experts;
    experts.routed = routed_experts;
    experts.shared = mlp_blocks - routed_experts;
    experts.width = 1;
    std::vector<bool> dense(static_cast<size_t>(a.n_layers));
    for (const int64_t l : dense_layers) dense[l] = true;
    a.change_layers(dense, [](LayerSpec& layer) {
      layer.mlp.experts = {};
      layer.mlp.channels = 1;
    });
    return Graph(a, key_values);
  }
  return Graph(a, key_values, mlp_blocks == 1 ? 0 : 1);
}

Graph CircuitShape::graph_of(const Architecture& model, const std::string& path) const {
  // EAP-IG's published files have no d_head, and a d_model that is another model's: theirs says nothing.
  const Architecture& own = architecture;
  if (own.d_head > 0 && (own.d_head != model.d_head || (own.d_model > 0 && own.d_model != model.d_model))) {
    fail(path, "is of a model of width {} with heads of {}; this one has {} and {}. Name the model it was found on.",
         own.d_model, own.d_head, model.d_model, model.d_head);
  }
  Graph whole(model, key_values);
  const int64_t experts = whole.routers() ? whole.mlp_blocks() : 0;
  if (whole.routed_experts() != routed_experts || (whole.routers() && experts != mlp_blocks)) {
    fail(path, "found {} experts per layer of which {} are routed; the model has {} of which {} are.",
         routed_experts > 0 ? mlp_blocks : 0, routed_experts, experts, whole.routed_experts());
  }
  if (whole.routers()) return whole;
  if (model.d_mlp % mlp_blocks != 0) {
    fail(path, "found {} MLP blocks per layer, which the {} channels of the model's MLP are not split into.",
         mlp_blocks, model.d_mlp);
  }
  return Graph(model, key_values, mlp_blocks == 1 ? 0 : model.d_mlp / mlp_blocks);
}

void write_circuit_json(const std::string& path, const Architecture& architecture, const Graph& graph,
                        const EdgeScores& scores, const Circuit& circuit,
                        const std::map<std::string, std::string>& meta, const std::vector<float>& stability) {
  AtomicFile file(path);
  Json cfg = {{"n_layers", graph.n_layers()},     {"n_heads", graph.n_heads()},
              {"n_kv_heads", graph.n_kv_heads()}, {"parallel_attn_mlp", graph.parallel()},
              {"d_model", architecture.d_model},  {"d_head", architecture.d_head}};
  if (graph.mlp_blocks() > 1) cfg["mlp_blocks"] = graph.mlp_blocks();
  if (graph.routers()) cfg["routed_experts"] = graph.routed_experts();
  if (!graph.dense_layers().empty()) cfg["dense_layers"] = graph.dense_layers();
  file.write("{\"cfg\": " + cfg.dump() + ",\n\"nodes\": {");
  const std::set<std::string> selected = field_nodes(graph, circuit);
  const std::vector<double> of_nodes = node_scores(graph, scores);
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    const std::string name = graph.upstream_name(u);
    file.write(fmt::format("{}\n\"{}\": {{\"in_graph\": {}, \"score\": {}}}", u == 0 ? "" : ",", name,
                           selected.count(name) > 0, static_cast<float>(of_nodes[u])));
  }
  file.write(fmt::format(",\n\"logits\": {{\"in_graph\": {}}}", selected.count("logits") > 0));
  file.write("},\n\"edges\": {");
  const std::vector<bool> inside = membership(graph, circuit);
  std::string block;
  constexpr size_t kBlockBytes = size_t{1} << 20;
  for (int64_t id = 0; id < graph.n_edges(); ++id) {
    // {} prints the shortest text that reads back as the same float32.
    const std::string stable = stability.empty() ? "" : fmt::format(", \"stability\": {}", stability[id]);
    block += fmt::format("{}\n\"{}\": {{\"score\": {}, \"in_graph\": {}{}}}", id == 0 ? "" : ",", graph.edge_name(id),
                         scores.values[id], static_cast<bool>(inside[id]), stable);
    if (block.size() < kBlockBytes) continue;
    file.write(block);
    block.clear();
  }
  file.write(block);
  file.write("},\n\"meta\": " + Json(meta).dump() + "}\n");
  file.commit();
}

void write_circuit_compact(const std::string& path, const Graph& graph, const EdgeScores& scores,
                           const Circuit& circuit, const std::map<std::string, std::string>& meta,
                           const std::vector<float>& stability) {
  const std::vector<bool> inside = membership(graph, circuit);
  const std::vector<uint8_t> flags(inside.begin(), inside.end());
  Json upstream = Json::array();
  Json downstream = Json::array();
  for (int64_t u = 0; u < graph.n_upstream(); ++u) upstream.push_back(graph.upstream_name(u));
  for (int64_t v = 0; v < graph.n_downstream(); ++v) downstream.push_back(graph.downstream_name(v));
  std::map<std::string, std::string> metadata = meta;
  metadata["upstream_nodes"] = upstream.dump();
  metadata["downstream_nodes"] = downstream.dump();
  std::vector<TensorBytes> tensors{{"scores", "F32", {graph.n_edges()}, scores.values.data()}};
  if (!stability.empty()) tensors.push_back({"stability", "F32", {graph.n_edges()}, stability.data()});
  tensors.push_back({"circuit", "U8", {graph.n_edges()}, flags.data()});
  write_safetensors(path, tensors, metadata);
}

}  // namespace circuit
