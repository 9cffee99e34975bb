// What the kinds of nodes make a model's slices with. Used by SliceTable only.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "graph/slices.h"

namespace circuit {

class SliceBuilder {
 public:
  SliceBuilder(const Graph& graph, const Model& model, std::vector<Slice>* slices, std::vector<NodeSlices>* upstream,
               std::vector<NodeSlices>* downstream)
      : graph_(graph), model_(model), slices_(*slices), upstream_(*upstream), downstream_(*downstream) {}

  const Graph& graph() const { return graph_; }
  const LayerLayout& layout(int64_t layer) const { return model_.layout().layers[layer]; }
  NodeSlices& upstream(int64_t u) { return upstream_[u]; }
  NodeSlices& downstream(int64_t v) { return downstream_[v]; }

  // A new slice's id goes to `owner`; none where the model has no such tensor. node: whose it is, as Slice::node.
  // Unit i of a reference; a layer's channels of MLP block `block` of it; a whole tensor.
  void unit(const std::string& node, const TensorRef& ref, int64_t i, std::vector<int64_t>* owner);
  void channels(const std::string& node, int64_t layer, const TensorRef& ref, int64_t block,
                std::vector<int64_t>* owner);
  // What is an expert's of a tensor.
  void expert(const std::string& node, const ExpertRef& ref, std::vector<int64_t>* owner);
  void whole(const std::string& node, const std::string& tensor, std::vector<int64_t>* owner);
  // Of several tensors, whole.
  std::vector<int64_t> wholes(const std::string& node, const std::vector<std::string>& tensors);
  static void add(const std::vector<int64_t>& ids, std::vector<int64_t>* owner);

 private:
  // The slice that is there already, where two nodes share it: a norm that two blocks read through.
  int64_t make(const std::string& node, const std::string& tensor, int64_t dim, int64_t start, int64_t length);

  const Graph& graph_;
  const Model& model_;
  std::vector<Slice>& slices_;
  std::vector<NodeSlices>& upstream_;
  std::vector<NodeSlices>& downstream_;
  std::map<std::tuple<std::string, int64_t, int64_t>, int64_t> made_;
};

}  // namespace circuit
