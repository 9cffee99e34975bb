#include <algorithm>

#include "core/error.h"
#include "core/setting_name.h"
#include "graph/circuit_file.h"
#include "graph/circuit_file_forms.h"
#include "io/files.h"

namespace circuit {
namespace {

// A safetensors file begins with the length of its header in eight bytes, far below 2^56, so one of them is
// zero; JSON text has no zero bytes.
bool is_safetensors(std::string_view bytes) {
  constexpr size_t kLengthBytes = 8;
  return bytes.substr(0, kLengthBytes).find('\0') != std::string_view::npos;
}

void check_same_model(const CircuitShape& shape, const Graph& graph, const std::string& path) {
  const Architecture& file = shape.architecture;
  const auto same = [&](const char* key, int64_t found, int64_t expected) {
    if (found != expected) fail(path, "{}: found {}, expected {} as in the model.", key, found, expected);
  };
  same("n_layers", file.n_layers, graph.n_layers());
  same("n_heads", file.n_heads, graph.n_heads());
  same("MLP blocks", shape.mlp_blocks, graph.mlp_blocks());
  same("routed_experts", shape.routed_experts, graph.routed_experts());
  if (shape.dense_layers != graph.dense_layers()) {
    fail(path, "dense_layers: found {} of {} layers, which are not the {} of the model.", shape.dense_layers.size(),
         file.n_layers, graph.dense_layers().size());
  }
  const bool parallel = file.layer(0).parallel();
  if (parallel != graph.parallel()) {
    fail(path, "parallel_attn_mlp: found {}, expected {} as in the model.", parallel, graph.parallel());
  }
  // Other tools' files and compact ungrouped ones name no key/value heads: n_heads stands for them there.
  if (file.n_kv_heads != file.n_heads) same("n_kv_heads", file.n_kv_heads, graph.n_kv_heads());
}

// The reader of `grouped` that reader v of the file's ungrouped graph belongs to.
int64_t reader_on(const Graph& grouped, const Graph& ungrouped, int64_t v) {
  if (v == ungrouped.logits()) return grouped.logits();
  const GraphNode node = ungrouped.downstream(v);
  const int64_t index = node.index * node.kind->count(grouped, node.layer) / node.kind->count(ungrouped, node.layer);
  return grouped.reader(*node.kind, node.layer, index);
}

// Sums scores and ORs membership over the readers of a group. Sums in float64.
void group_into(const Graph& grouped, const Graph& ungrouped, CircuitFile* file) {
  std::vector<double> sums(grouped.n_edges());
  for (int64_t v = 0; v < ungrouped.n_downstream(); ++v) {
    const int64_t target = grouped.first_edge(reader_on(grouped, ungrouped, v));
    for (int64_t u = 0; u < ungrouped.visible(v); ++u) sums[target + u] += file->scores.values[ungrouped.edge_id(u, v)];
  }
  file->scores.values.assign(sums.begin(), sums.end());
  std::vector<bool> inside(grouped.n_edges());
  for (const int64_t id : file->circuit.edges) {
    const Edge e = ungrouped.edge(id);
    inside[grouped.edge_id(e.upstream, reader_on(grouped, ungrouped, e.downstream))] = true;
  }
  file->stability.clear();
  file->circuit.edges.clear();
  for (int64_t id = 0; id < grouped.n_edges(); ++id) {
    if (inside[id]) file->circuit.edges.push_back(id);
  }
}

}  // namespace

void check_stability(double share, const std::string& edge, const std::string& place) {
  if (!(share >= 0 && share <= 1))
    fail(place, "edge '{}': found stability {}, expected a share from 0 to 1.", edge, share);
}

CircuitFile read_circuit(const std::string& path) {
  const MappedFile file(path);
  return is_safetensors(file.text()) ? parse_circuit_compact(file.text(), path) : parse_circuit_json(file.text(), path);
}

CircuitFile on_graph(CircuitFile file, const Graph& graph, const std::string& path) {
  check_same_model(file.shape, graph, path);
  const Graph own = file.shape.graph();
  if (own.kv_nodes() < graph.kv_nodes()) {
    fail(path,
         "found one key and value reader per key/value head, expected one per query head: their scores "
         "cannot be "
         "split. Score it again with {}, or read it on a grouped graph.",
         setting("ungrouped"));
  }
  if (own.kv_nodes() > graph.kv_nodes()) group_into(graph, own, &file);
  file.shape.architecture.n_kv_heads = graph.n_kv_heads();
  file.shape.key_values = graph.ungrouped() ? KeyValueNodes::kUngrouped : KeyValueNodes::kGrouped;
  return file;
}

CircuitFile read_circuit(const std::string& path, const Graph& graph) {
  return on_graph(read_circuit(path), graph, path);
}

}  // namespace circuit
