// A circuit on disk: the JSON that EAP-IG and MIB read, and a compact safetensors form (docs/formats.md).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "io/json.h"
#include "model/architecture.h"

namespace circuit {

// Every edge with its score and membership; `meta` says how they were made. Written by atomic rename.
// stability: the share of resamples of the examples that select the edge, in edge order; empty: not measured.
void write_circuit_json(const std::string& path, const Architecture& architecture, const Graph& graph,
                        const EdgeScores& scores, const Circuit& circuit,
                        const std::map<std::string, std::string>& meta, const std::vector<float>& stability = {});

// scores [edges] float32, circuit [edges] uint8 and, when measured, stability [edges] float32, in edge order;
// node names and meta in the metadata.
void write_circuit_compact(const std::string& path, const Graph& graph, const EdgeScores& scores,
                           const Circuit& circuit, const std::map<std::string, std::string>& meta,
                           const std::vector<float>& stability = {});

// The graph that a file's edges belong to.
struct CircuitShape {
  // Only n_layers, n_heads, n_kv_heads, what the blocks read, d_model and d_head are set. n_kv_heads is n_heads
  // where the file does not say (EAP-IG's own files, compact ungrouped ones); so are d_model and d_head, 0 then.
  Architecture architecture;
  KeyValueNodes key_values = KeyValueNodes::kUngrouped;
  int64_t mlp_blocks = 1;             // MLP nodes per layer
  int64_t routed_experts = 0;         // of them, experts that a router chooses from; 0: MLPs are no experts
  std::vector<int64_t> dense_layers;  // layers whose MLP is one node though others' are experts, ascending

  // MLP nodes of all layers.
  int64_t mlp_nodes() const;

  // mlp_blocks, routed_experts and dense_layers of a JSON object that has them, once n_layers is known. Throws Error
  // naming the key.
  void read_mlps(const Json& object, const std::string& place);

  Graph graph() const;
  // The graph of that form of a model. Throws Error when its MLPs cannot be split so, or when the file has a d_head and
  // it or d_model is not the model's; path: the file.
  Graph graph_of(const Architecture& model, const std::string& path) const;
};

struct CircuitFile {
  CircuitShape shape;
  EdgeScores scores;                        // in edge order
  Circuit circuit;                          // the edges that the file marks
  std::vector<float> stability;             // share of resamples, in edge order; empty where the file has none
  std::map<std::string, std::string> meta;  // what is no text there, as JSON; empty in other tools' files
};

// Reads either form, told apart by its bytes, as scores and circuit of the file's own graph; no model needed.
// Edges make the circuit. Of the JSON's nodes, {"a0.h0": true} or {"a0.h0": {"in_graph": true}}, names and
// membership are checked and dropped: EAP-IG, too, works membership out again from the edges. A file without
// edges is a circuit of nodes: it has all edges among those that are in, with scores of zero. Scores of nodes
// ("score") are passed over, as they follow from the edges'. "neurons" of a node, which leave out dimensions of
// its output, cannot be run: such a file is read with all of them, with a warning.
// Throws Error naming the file and the key or edge: not JSON or safetensors, truncated, a wrong type, an edge
// that the file's cfg does not have, one that is missing, a score that is missing or no finite float32, a
// stability outside [0, 1] or of some edges only.
CircuitFile read_circuit(const std::string& path);

// A file's scores and circuit for a given graph, in its edge order; path: the file, for errors. Of an
// ungrouped file, a grouped graph gets, for every key or value reader, the sum of its heads' scores, and an
// edge is in when it is for any of them (method.md §1); stability is dropped there, since how often a sum
// would be selected does not follow from its terms. Throws Error also when the file is of a model of another
// shape, and for a grouped file where the graph has a reader per query head: a sum cannot be split.
CircuitFile on_graph(CircuitFile file, const Graph& graph, const std::string& path);

// on_graph of read_circuit, for a graph that does not hang on the file.
CircuitFile read_circuit(const std::string& path, const Graph& graph);

}  // namespace circuit
