// Attention: a writer per head; readers for its queries, keys and values, one per head or key/value head.
#include <fmt/core.h>

#include "graph/graph.h"
#include "graph/slice_builder.h"

namespace circuit {
namespace {

int64_t heads(const Graph& graph, int64_t) { return graph.n_heads(); }
int64_t kv_nodes(const Graph& graph, int64_t) { return graph.kv_nodes(); }

std::string head_name(const Graph&, int64_t layer, int64_t h) { return fmt::format("a{}.h{}", layer, h); }

// With as many readers as query heads, the field's own name.
std::string kv_name(int64_t nodes, int64_t all, int64_t layer, int64_t g) {
  return fmt::format("a{}.{}{}", layer, nodes == all ? "h" : "kv", g);
}

std::string query_name(const Graph& graph, int64_t layer, int64_t h) { return head_name(graph, layer, h) + "<q>"; }
std::string key_name(const Graph& graph, int64_t layer, int64_t g) {
  return kv_name(graph.kv_nodes(), graph.n_heads(), layer, g) + "<k>";
}
std::string value_name(const Graph& graph, int64_t layer, int64_t g) {
  return kv_name(graph.kv_nodes(), graph.n_heads(), layer, g) + "<v>";
}

// Drawings: keys and values that heads share have boxes of their own, to the left of the heads'.
int64_t head_lane(const Graph&) { return 1; }
int64_t kv_lane(const Graph& graph) { return graph.kv_nodes() == graph.n_heads() ? 1 : 0; }

void own_slices(SliceBuilder& b, int64_t l) {
  const Graph& graph = b.graph();
  const LayerLayout& at = b.layout(l);
  for (int64_t h = 0; h < graph.n_heads(); ++h) {
    const int64_t u = graph.head(l, h);
    const int64_t v = graph.query(l, h);
    b.unit(graph.upstream_name(u), at.w_o, h, &b.upstream(u).own);
    b.unit(graph.downstream_name(v), at.w_q, h, &b.downstream(v).own);
    b.unit(graph.downstream_name(v), at.b_q, h, &b.downstream(v).own);
    b.unit(graph.downstream_name(v), at.sinks, h, &b.downstream(v).own);
  }
  // What all heads share of latents is no head's: circuits leave it as it is.
  b.wholes(fmt::format("a{}.latents", l), {at.q_down.tensor, at.q_down_bias, at.kv_down.tensor, at.kv_down_bias});
  for (int64_t g = 0; g < graph.n_kv_heads(); ++g) {
    const std::string name = kv_name(graph.n_kv_heads(), graph.n_heads(), l, g);
    std::vector<int64_t> keys;
    std::vector<int64_t> values;
    b.unit(name + "<k>", at.w_k, g, &keys);
    b.unit(name + "<k>", at.b_k, g, &keys);
    b.unit(name + "<v>", at.w_v, g, &values);
    b.unit(name + "<v>", at.b_v, g, &values);
    // Ungrouped readers of one group share its slices.
    const int64_t nodes = graph.kv_nodes() / graph.n_kv_heads();
    for (int64_t i = 0; i < nodes; ++i) {
      b.downstream(graph.key(l, g * nodes + i)).own = keys;
      b.downstream(graph.value(l, g * nodes + i)).own = values;
    }
  }
}

void norm_slices(SliceBuilder& b, int64_t l) {
  const Graph& graph = b.graph();
  const LayerLayout& at = b.layout(l);
  const std::string layer = fmt::format("a{}", l);
  const std::vector<int64_t> norm = b.wholes(layer + ".norm", {at.attn_norm, at.attn_norm_bias});
  for (const int64_t v : graph.readers({BlockKind::kAttention, l})) b.downstream(v).norms = norm;
  const auto add = [&](int64_t first, int64_t count, const std::vector<int64_t>& ids) {
    for (int64_t v = first; v < first + count; ++v) b.add(ids, &b.downstream(v).norms);
  };
  const int64_t per_key = graph.kv_nodes() / graph.n_kv_heads();
  for (size_t h = 0; h < at.q_norms.size(); ++h) {
    const int64_t v = graph.query(l, static_cast<int64_t>(h));
    b.add(b.wholes(graph.downstream_name(v) + ".norm", {at.q_norms[h]}), &b.downstream(v).norms);
  }
  for (size_t g = 0; g < at.k_norms.size(); ++g) {
    const int64_t v = graph.key(l, static_cast<int64_t>(g) * per_key);
    const std::vector<int64_t> ids = b.wholes(graph.downstream_name(v) + ".norm", {at.k_norms[g]});
    for (int64_t i = 0; i < per_key; ++i) b.add(ids, &b.downstream(v + i).norms);
  }
  add(graph.query(l, 0), graph.n_heads(), b.wholes(layer + ".q_latent.norm", {at.q_latent_norm}));
  add(graph.key(l, 0), 2 * graph.kv_nodes(), b.wholes(layer + ".kv_latent.norm", {at.kv_latent_norm}));
  add(graph.query(l, 0), graph.n_heads(), b.wholes(layer + ".q_norm", {at.q_norm, at.q_norm_bias}));
  add(graph.key(l, 0), graph.kv_nodes(), b.wholes(layer + ".k_norm", {at.k_norm, at.k_norm_bias}));
}

void slices(SliceBuilder& b, int64_t l, SlicePart part) {
  const NodeRange heads_of_layer = b.graph().writers({BlockKind::kAttention, l});
  const LayerLayout& at = b.layout(l);
  if (part == SlicePart::kOwn) own_slices(b, l);
  if (part == SlicePart::kNorms) norm_slices(b, l);
  if (part == SlicePart::kBias) {
    const std::vector<int64_t> bias = b.wholes(fmt::format("a{}.bias", l), {at.b_o});
    for (const int64_t u : heads_of_layer) b.upstream(u).bias = bias;
  }
  if (part == SlicePart::kPostNorm) {
    const std::vector<int64_t> norm = b.wholes(fmt::format("a{}.post_norm", l), {at.attn_post_norm});
    for (const int64_t u : heads_of_layer) b.upstream(u).norms = norm;
  }
}

}  // namespace

const NodeKind kHeadNode{head_name, heads, false, head_lane, 0, true};
const NodeKind kQueryNode{query_name, heads, false, head_lane, 0, true, 'q', -1};
const NodeKind kKeyNode{key_name, kv_nodes, true, kv_lane, 0, true, 'k', 0};
const NodeKind kValueNode{value_name, kv_nodes, true, kv_lane, 0, true, 'v', 1};

BlockNodes attention_nodes() {
  return {BlockKind::kAttention, {&kHeadNode}, {&kQueryNode, &kKeyNode, &kValueNode}, slices};
}

}  // namespace circuit
