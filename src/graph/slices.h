// From nodes to the parameters that are theirs (method.md §4).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "model/model.h"

namespace circuit {

// `length` indices from `start` of dimension `dim` of a parameter; layout names (no file prefix).
struct Slice {
  std::string node;  // whose it is: "a0.h1", "a0.h1<q>", "a0.kv0<k>", "m3", "a0.bias", "a0.norm", "input", …
  std::string tensor;
  int64_t dim = 0;
  int64_t start = 0;
  int64_t length = 0;
  int64_t parameters = 0;
};

// Slices that go with a circuit beside its nodes' own.
struct SlicePolicy {
  bool shared_biases = true;  // b_O, b_out of a layer when any of its heads (its MLP) is upstream
  // A norm when any of its readers is selected; that of q or k, when any q or k is; a post-norm, when any of the
  // layer's heads (its MLP) is upstream.
  bool train_norms = false;
  bool train_embeddings = false;   // wte and wpe when `input` is selected
  bool train_unembedding = false;  // the head when `logits` is; a tied matrix needs both
};

// Ids of a node's slices; those of biases and norms are shared with the nodes of its layer.
struct NodeSlices {
  std::vector<int64_t> own, bias, norms;
};

// Every slice a model has, and which of them each node owns. Slices of different entries never overlap.
class SliceTable {
 public:
  SliceTable(const Graph& graph, const Model& model);

  const std::vector<Slice>& slices() const { return slices_; }
  const Slice& operator[](int64_t id) const { return slices_[id]; }

  // Ids of the slices a circuit trains, ascending.
  std::vector<int64_t> of_circuit(const Circuit& circuit, const SlicePolicy& policy) const;
  // Ids of every slice: what `full` trains.
  std::vector<int64_t> all() const;
  // Number of parameters in a set of slices.
  int64_t parameters(const std::vector<int64_t>& ids) const;
  // Parameters that adding each edge's ends trains: used by controls that match a size.
  std::vector<int64_t> of_nodes(const CircuitNodes& nodes, const SlicePolicy& policy) const;

 private:
  Graph graph_;
  std::vector<Slice> slices_;
  std::vector<NodeSlices> upstream_, downstream_;  // per node
  std::vector<int64_t> embedding_, positions_, unembedding_;
  bool tied_ = false;
};

// The view of a slice on its parameter, for reading; and to be written to.
at::Tensor slice_view(const Model& model, const Slice& slice);
at::Tensor writable_slice(Model& model, const Slice& slice);

}  // namespace circuit
