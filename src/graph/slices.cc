#include "graph/slices.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "graph/slice_builder.h"

namespace circuit {

SliceTable::SliceTable(const Graph& graph, const Model& model)
    : graph_(graph),
      upstream_(graph.n_upstream()),
      downstream_(graph.n_downstream()),
      tied_(model.architecture().head.tied) {
  const Layout& layout = model.layout();
  SliceBuilder builder(graph_, model, &slices_, &upstream_, &downstream_);
  builder.whole("input", layout.embedding, &embedding_);
  builder.whole("input", layout.positions, &positions_);
  for (int64_t l = 0; l < graph.n_layers(); ++l) {
    for (const SlicePart part : {SlicePart::kOwn, SlicePart::kBias, SlicePart::kNorms, SlicePart::kPostNorm}) {
      for (const BlockSpec& block : model.architecture().layer(l).blocks) {
        nodes_of_block(block.kind).slices(builder, l, part);
      }
    }
  }
  upstream_[0].norms = builder.wholes("input.norm", {layout.embedding_norm, layout.embedding_norm_bias});
  downstream_[graph.logits()].norms = builder.wholes("logits.norm", {layout.final_norm, layout.final_norm_bias});
  if (!tied_) builder.whole("logits", layout.unembedding, &unembedding_);
  builder.whole("logits", layout.unembedding_bias, &unembedding_);
}

std::vector<int64_t> SliceTable::of_circuit(const Circuit& circuit, const SlicePolicy& policy) const {
  return of_nodes(nodes_of(graph_, circuit), policy);
}

std::vector<int64_t> SliceTable::of_nodes(const CircuitNodes& nodes, const SlicePolicy& policy) const {
  std::set<int64_t> chosen;
  const auto take = [&](const std::vector<int64_t>& ids) { chosen.insert(ids.begin(), ids.end()); };
  const auto take_node = [&](const NodeSlices& node) {
    take(node.own);
    if (policy.shared_biases) take(node.bias);
    if (policy.train_norms) take(node.norms);
  };
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
    if (nodes.upstream[u]) take_node(upstream_[u]);
  }
  for (int64_t v = 0; v < graph_.n_downstream(); ++v) {
    if (nodes.downstream[v]) take_node(downstream_[v]);
  }
  const bool input = policy.train_embeddings && nodes.upstream[0];
  const bool logits = policy.train_unembedding && nodes.downstream[graph_.logits()];
  if (input) take(positions_);
  if (input && (!tied_ || logits)) take(embedding_);
  if (logits) take(unembedding_);
  return {chosen.begin(), chosen.end()};
}

std::vector<int64_t> SliceTable::all() const {
  std::vector<int64_t> ids(slices_.size());
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

int64_t SliceTable::parameters(const std::vector<int64_t>& ids) const {
  int64_t count = 0;
  for (const int64_t id : ids) count += slices_[id].parameters;
  return count;
}

at::Tensor slice_view(const Model& model, const Slice& slice) {
  return model.parameter(slice.tensor).narrow(slice.dim, slice.start, slice.length);
}

at::Tensor writable_slice(Model& model, const Slice& slice) {
  return model.writable(slice.tensor).narrow(slice.dim, slice.start, slice.length);
}

}  // namespace circuit
