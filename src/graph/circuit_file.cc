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

Graph CircuitShape::graph() const {
  // Blocks of one channel each: their number is all that a graph's edges hang on.
  Architecture a = architecture;
  a.d_mlp = mlp_blocks;
  if (routed_experts > 0) {
    ExpertsSpec& experts = a.every_layer().mlp.experts;
    experts.routed = routed_experts;
    experts.shared = mlp_blocks - routed_experts;
    experts.width = 1;
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
  const ExpertsSpec& experts = model.layer(0).mlp.experts;
  if (experts.routed != routed_experts || (experts.any() && experts.count() != mlp_blocks)) {
    fail(path, "found {} experts per layer of which {} are routed; the model has {} of which {} are.",
         routed_experts > 0 ? mlp_blocks : 0, routed_experts, experts.count(), experts.routed);
  }
  if (experts.any()) return Graph(model, key_values);
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
