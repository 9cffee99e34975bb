#include "graph/slices.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace circuit {

int64_t SliceTable::add(const Model& model, const std::string& node, const std::string& tensor, int64_t dim,
                        int64_t start, int64_t length) {
  const at::Tensor& parameter = model.parameter(tensor);
  slices_.push_back({node, tensor, dim, start, length, parameter.numel() / parameter.size(dim) * length});
  return static_cast<int64_t>(slices_.size()) - 1;
}

SliceTable::SliceTable(const Graph& graph, const Model& model)
    : graph_(graph),
      of_upstream_(graph.n_upstream()),
      of_downstream_(graph.n_downstream()),
      tied_(model.architecture().head.tied) {
  const Layout& layout = model.layout();
  const int64_t per_kv = graph.n_heads() / graph.n_kv_heads();
  // One unit of a reference; nothing where the model has no such tensor.
  const auto unit = [&](const std::string& node, const TensorRef& ref, int64_t i, std::vector<int64_t>* owner) {
    if (ref.present())
      owner->push_back(add(model, node, ref.tensor, ref.unit_dim, ref.first + i * ref.stride, ref.unit));
  };
  const auto channels = [&](const std::string& node, const TensorRef& ref, int64_t block, std::vector<int64_t>* owner) {
    if (!ref.present()) return;
    const int64_t length = graph.mlp_block() * ref.unit;
    owner->push_back(add(model, node, ref.tensor, ref.unit_dim, ref.first + block * length, length));
  };
  const auto whole = [&](const std::string& node, const std::string& tensor, std::vector<int64_t>* owner) {
    if (tensor.empty()) return;
    owner->push_back(add(model, node, tensor, 0, 0, model.parameter(tensor).size(0)));
  };
  whole("input", layout.embedding, &embedding_);
  whole("input", layout.positions, &positions_);
  for (auto* per_layer :
       {&attn_bias_, &mlp_bias_, &attn_norm_, &q_norm_, &k_norm_, &mlp_norm_, &attn_post_norm_, &mlp_post_norm_}) {
    per_layer->resize(graph.n_layers());
  }
  for (int64_t l = 0; l < graph.n_layers(); ++l) {
    const LayerLayout& at = layout.layers[l];
    for (int64_t h = 0; h < graph.n_heads(); ++h) {
      unit(graph.upstream_name(graph.head(l, h)), at.w_o, h, &of_upstream_[graph.head(l, h)]);
      std::vector<int64_t>* query = &of_downstream_[graph.query(l, h)];
      unit(graph.downstream_name(graph.query(l, h)), at.w_q, h, query);
      unit(graph.downstream_name(graph.query(l, h)), at.b_q, h, query);
    }
    for (int64_t g = 0; g < graph.n_kv_heads(); ++g) {
      const std::string name =
          graph.n_kv_heads() == graph.n_heads() ? fmt::format("a{}.h{}", l, g) : fmt::format("a{}.kv{}", l, g);
      std::vector<int64_t> keys;
      std::vector<int64_t> values;
      unit(name + "<k>", at.w_k, g, &keys);
      unit(name + "<k>", at.b_k, g, &keys);
      unit(name + "<v>", at.w_v, g, &values);
      unit(name + "<v>", at.b_v, g, &values);
      // Ungrouped readers of one group share its slices.
      const int64_t nodes = graph.ungrouped() ? per_kv : 1;
      for (int64_t i = 0; i < nodes; ++i) {
        of_downstream_[graph.key(l, g * nodes + i)] = keys;
        of_downstream_[graph.value(l, g * nodes + i)] = values;
      }
    }
    for (int64_t j = 0; j < graph.mlp_blocks(); ++j) {
      const std::string mlp = graph.upstream_name(graph.mlp(l, j));
      channels(mlp, at.w_out, j, &of_upstream_[graph.mlp(l, j)]);
      for (const TensorRef* in : {&at.w_in, &at.b_in, &at.w_gate, &at.b_gate}) {
        channels(mlp, *in, j, &of_downstream_[graph.mlp_in(l, j)]);
      }
    }
    whole(fmt::format("a{}.bias", l), at.b_o, &attn_bias_[l]);
    whole(fmt::format("m{}.bias", l), at.b_out, &mlp_bias_[l]);
    whole(fmt::format("a{}.norm", l), at.attn_norm, &attn_norm_[l]);
    whole(fmt::format("a{}.norm", l), at.attn_norm_bias, &attn_norm_[l]);
    whole(fmt::format("a{}.q_norm", l), at.q_norm, &q_norm_[l]);
    whole(fmt::format("a{}.k_norm", l), at.k_norm, &k_norm_[l]);
    whole(fmt::format("m{}.norm", l), at.mlp_norm, &mlp_norm_[l]);
    whole(fmt::format("m{}.norm", l), at.mlp_norm_bias, &mlp_norm_[l]);
    whole(fmt::format("a{}.post_norm", l), at.attn_post_norm, &attn_post_norm_[l]);
    whole(fmt::format("m{}.post_norm", l), at.mlp_post_norm, &mlp_post_norm_[l]);
  }
  whole("logits.norm", layout.final_norm, &final_norm_);
  whole("logits.norm", layout.final_norm_bias, &final_norm_);
  if (!tied_) whole("logits", layout.unembedding, &unembedding_);
}

std::vector<int64_t> SliceTable::of_circuit(const Circuit& circuit, const SlicePolicy& policy) const {
  return of_nodes(nodes_of(graph_, circuit), policy);
}

std::vector<int64_t> SliceTable::of_nodes(const CircuitNodes& nodes, const SlicePolicy& policy) const {
  std::set<int64_t> chosen;
  const auto take = [&](const std::vector<int64_t>& ids) { chosen.insert(ids.begin(), ids.end()); };
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
    if (!nodes.upstream[u]) continue;
    take(of_upstream_[u]);
    const UpstreamNode node = graph_.upstream(u);
    if (node.kind == UpstreamNode::Kind::kInput) continue;
    const bool head = node.kind == UpstreamNode::Kind::kHead;
    if (policy.shared_biases) take(head ? attn_bias_[node.layer] : mlp_bias_[node.layer]);
    if (policy.train_norms) take(head ? attn_post_norm_[node.layer] : mlp_post_norm_[node.layer]);
  }
  for (int64_t v = 0; v < graph_.n_downstream(); ++v) {
    if (!nodes.downstream[v]) continue;
    take(of_downstream_[v]);
    if (!policy.train_norms) continue;
    const DownstreamNode node = graph_.downstream(v);
    if (node.kind == DownstreamNode::Kind::kLogits) {
      take(final_norm_);
      continue;
    }
    take(node.kind == DownstreamNode::Kind::kMlp ? mlp_norm_[node.layer] : attn_norm_[node.layer]);
    if (node.kind == DownstreamNode::Kind::kQuery) take(q_norm_[node.layer]);
    if (node.kind == DownstreamNode::Kind::kKey) take(k_norm_[node.layer]);
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

}  // namespace circuit
