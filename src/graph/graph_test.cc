#include "graph/graph.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/error.h"
#include "graph/slices.h"

namespace circuit {
namespace {

Architecture shape(const std::string& family, int64_t layers, int64_t heads, int64_t kv_heads) {
  Architecture a;
  a.family = family;
  a.n_layers = layers;
  a.n_heads = heads;
  a.n_kv_heads = kv_heads;
  a.d_head = 4;
  a.d_model = 4 * heads;
  a.d_mlp = 24;
  a.vocab = 11;
  a.n_positions = 16;
  a.embedding.learned_positions = family == "gpt2" || family == "opt";
  a.embedding.position_offset = family == "opt" ? 2 : 0;
  const bool layer_norm = a.embedding.learned_positions || family == "gpt_neox";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer_norm || family == "qwen2";
  layer.attention.out_bias = layer.mlp.bias = layer_norm;
  layer.mlp.gated = !layer_norm;
  layer.attention.qk_norm = family == "qwen3" || family == "gemma3_text";
  if (family == "gemma2" || family == "gemma3_text") layer.norm_outputs();
  layer.set_parallel(family == "gpt_neox");
  a.head.tied = true;
  if (!layer_norm) a.norm.kind = NormKind::kRmsNorm;
  if (!a.embedding.learned_positions) {
    layer.attention.rotary = RotarySpec{};
    layer.attention.rotary->dims = 4;
  }
  return a;
}

TEST(Graph, CountsAreThePublishedOnes) {
  const Graph gpt2(shape("gpt2", 12, 12, 12), KeyValueNodes::kGrouped);
  EXPECT_EQ(gpt2.n_upstream(), 157);
  EXPECT_EQ(gpt2.n_downstream(), 445);
  EXPECT_EQ(gpt2.n_edges(), 32491);
  Architecture parallel = shape("gpt2", 12, 12, 12);
  parallel.every_layer().set_parallel(true);
  EXPECT_EQ(Graph(parallel, KeyValueNodes::kGrouped).n_edges(), 32347);
  const Architecture llama = shape("llama", 32, 32, 8);
  EXPECT_EQ(Graph(llama, KeyValueNodes::kGrouped).n_edges(), 805681);
  EXPECT_EQ(Graph(llama, KeyValueNodes::kUngrouped).n_edges(), 1592881);
  EXPECT_EQ(Graph(shape("gpt2", 6, 4, 4), KeyValueNodes::kGrouped).n_edges(), 1108);
}

TEST(Graph, SeesWhatTheBlocksOfEachLayerRead) {
  Architecture a = shape("gpt2", 2, 3, 3);
  a.layer_kinds.push_back(a.every_layer());
  a.layer_kinds[1].set_parallel(true);
  a.kind_of_layer = {0, 1};
  const Graph graph(a, KeyValueNodes::kGrouped);
  EXPECT_EQ(graph.visible(graph.mlp_in(0)), graph.mlp(0));
  EXPECT_EQ(graph.visible(graph.mlp_in(1)), graph.head(1, 0));
  EXPECT_EQ(graph.visible(graph.query(1, 2)), graph.head(1, 0));
}

// A layer without experts has one MLP node and no router; its neighbours' nodes stand where theirs do.
TEST(Graph, LayersMayHaveExpertsOrNot) {
  Architecture a = shape("qwen2_moe", 3, 2, 2);
  a.every_layer().mlp.experts.routed = 3;
  a.every_layer().mlp.experts.width = 8;
  a.change_layers({false, true, false}, [](LayerSpec& layer) {
    layer.mlp.experts = {};
    layer.mlp.channels = 10;
  });
  const Graph graph(a, KeyValueNodes::kGrouped);
  EXPECT_EQ(graph.dense_layers(), std::vector<int64_t>{1});
  EXPECT_EQ(graph.n_upstream(), 1 + 3 * 2 + 3 + 1 + 3);
  EXPECT_EQ(graph.n_downstream(), 3 * 6 + 4 + 1 + 4 + 1);
  EXPECT_EQ(graph.upstream_name(graph.mlp(1)), "m1");
  EXPECT_EQ(graph.upstream_name(graph.mlp(2, 2)), "m2.e2");
  EXPECT_EQ(graph.downstream_name(graph.mlp_in(1)), "m1");
  EXPECT_EQ(graph.downstream_name(graph.router(2)), "m2");
  EXPECT_EQ(graph.visible(graph.query(2, 0)), graph.mlp(1) + 1);
  EXPECT_EQ(graph.visible(graph.logits()), graph.n_upstream());
  EXPECT_THROW(Graph(a, KeyValueNodes::kGrouped, 2), UsageError);
  for (int64_t u = 1; u < graph.n_upstream(); ++u) {
    const GraphNode node = graph.upstream(u);
    EXPECT_EQ(graph.writer(*node.kind, node.layer, node.index), u);
  }
  for (int64_t v = 0; v < graph.logits(); ++v) {
    const GraphNode node = graph.downstream(v);
    EXPECT_EQ(graph.reader(*node.kind, node.layer, node.index), v);
  }
}

TEST(Graph, EdgesStandInOrderAndNamesAreUnique) {
  const Graph graph(shape("llama", 2, 4, 2), KeyValueNodes::kGrouped);
  std::set<std::string> names;
  Edge last{-1, 0};
  for (int64_t id = 0; id < graph.n_edges(); ++id) {
    const Edge e = graph.edge(id);
    EXPECT_EQ(graph.edge_id(e.upstream, e.downstream), id);
    EXPECT_TRUE(e.downstream > last.downstream || e.upstream == last.upstream + 1);
    last = e;
    names.insert(graph.edge_name(id));
    EXPECT_EQ(graph.find_edge(graph.edge_name(id)), id);
  }
  EXPECT_EQ(static_cast<int64_t>(names.size()), graph.n_edges());
  EXPECT_EQ(graph.edge_name(0), "input->a0.h0<q>");
  EXPECT_TRUE(graph.find_edge("a0.h1->a1.kv0<k>").has_value());
  EXPECT_TRUE(graph.find_edge("a0.h1->m0").has_value());
  EXPECT_FALSE(graph.find_edge("m0->a0.h1<q>").has_value());
  EXPECT_EQ(Graph(shape("llama", 2, 4, 2), KeyValueNodes::kUngrouped).edge_name(5).find("kv"), std::string::npos);
}

// Six query heads, and as many or half as many key/value heads.
Model model_of(const std::string& family, int64_t layers) {
  const bool grouped = family != "gpt2" && family != "gpt_neox" && family != "opt";
  return Model::random(shape(family, layers, 6, grouped ? 3 : 6), 0.1, 1, {});
}

// "tensor:dimension:start:length" of the slices that one edge trains.
std::set<std::string> slices_of_edge(const Model& model, const std::string& edge, const SlicePolicy& policy) {
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  std::set<std::string> found;
  for (const int64_t id : table.of_circuit({{*graph.find_edge(edge)}}, policy)) {
    const Slice& s = table[id];
    found.insert(fmt::format("{}:{}:{}:{}", s.tensor, s.dim, s.start, s.length));
  }
  return found;
}

class Slices : public testing::TestWithParam<const char*> {};

TEST_P(Slices, OfAllNodesTileTheModelWithoutOverlap) {
  Model model = model_of(GetParam(), 2);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  EXPECT_EQ(table.parameters(table.all()), model.parameter_count());
  std::map<std::string, at::Tensor> touched;
  for (const auto& [name, tensor] : model.parameters()) model.writable(name).zero_();
  for (const Slice& slice : table.slices()) writable_slice(model, slice).add_(1);
  for (const auto& [name, tensor] : model.parameters()) {
    EXPECT_TRUE(tensor.eq(1).all().item<bool>()) << name << ": a parameter is in no slice or in two";
  }
}

TEST_P(Slices, UngroupedReadersShareTheirGroupsSlices) {
  const Model model = model_of(GetParam(), 1);
  const Graph grouped(model.architecture(), KeyValueNodes::kGrouped);
  const Graph ungrouped(model.architecture(), KeyValueNodes::kUngrouped);
  const SliceTable a(grouped, model);
  const SliceTable b(ungrouped, model);
  const bool has_groups = model.architecture().heads_per_kv() > 1;
  const auto one = a.of_circuit({{*grouped.find_edge(has_groups ? "input->a0.kv1<v>" : "input->a0.h3<v>")}}, {});
  const auto two = b.of_circuit({{*ungrouped.find_edge("input->a0.h3<v>")}}, {});
  EXPECT_EQ(one, two);
}

TEST_P(Slices, ATiedMatrixNeedsBothEnds) {
  const Model model = model_of(GetParam(), 1);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  SlicePolicy policy;
  policy.train_embeddings = true;
  const Circuit circuit{{*graph.find_edge("input->logits")}};
  const auto holds_embedding = [&] {
    for (const int64_t id : table.of_circuit(circuit, policy)) {
      if (table[id].tensor == model.layout().embedding) return true;
    }
    return false;
  };
  EXPECT_FALSE(holds_embedding());
  policy.train_unembedding = true;
  EXPECT_TRUE(holds_embedding());
}

INSTANTIATE_TEST_SUITE_P(Families, Slices,
                         testing::Values("gpt2", "llama", "mistral", "qwen2", "gpt_neox", "qwen3", "gemma2",
                                         "gemma3_text", "opt"));

// Written out by hand, d_head = 4.
TEST(SlicesOfOneEdge, AreThoseOfItsEnds) {
  const auto names = [](const char* family, const char* edge) { return slices_of_edge(model_of(family, 2), edge, {}); };
  using Names = std::set<std::string>;
  EXPECT_EQ(names("gpt2", "a0.h4->a1.h2<k>"), (Names{"h.0.attn.c_proj.weight:0:16:4", "h.0.attn.c_proj.bias:0:0:24",
                                                     "h.1.attn.c_attn.weight:1:32:4", "h.1.attn.c_attn.bias:0:32:4"}));
  for (const char* family : {"llama", "mistral", "qwen3", "gemma2", "gemma3_text"}) {
    EXPECT_EQ(names(family, "a0.h4->a1.kv2<k>"),
              (Names{"layers.0.self_attn.o_proj.weight:1:16:4", "layers.1.self_attn.k_proj.weight:0:8:4"}));
  }
  EXPECT_EQ(names("qwen2", "a0.h4->a1.kv2<v>"),
            (Names{"layers.0.self_attn.o_proj.weight:1:16:4", "layers.1.self_attn.v_proj.weight:0:8:4",
                   "layers.1.self_attn.v_proj.bias:0:8:4"}));
  EXPECT_EQ(
      names("opt", "a0.h4->a1.h2<k>"),
      (Names{"decoder.layers.0.self_attn.out_proj.weight:1:16:4", "decoder.layers.0.self_attn.out_proj.bias:0:0:24",
             "decoder.layers.1.self_attn.k_proj.weight:0:8:4", "decoder.layers.1.self_attn.k_proj.bias:0:8:4"}));
  // Rows [head, 3, d_head]: the key of head 2 starts at (2 · 3 + 1) · 4.
  EXPECT_EQ(
      names("gpt_neox", "a0.h4->a1.h2<k>"),
      (Names{"layers.0.attention.dense.weight:1:16:4", "layers.0.attention.dense.bias:0:0:24",
             "layers.1.attention.query_key_value.weight:0:28:4", "layers.1.attention.query_key_value.bias:0:28:4"}));
}

TEST(SlicesOfOneEdge, HoldTheNormsOfItsReaderOnlyWhenNormsAreTrained) {
  const Model model = model_of("qwen3", 1);
  SlicePolicy policy;
  policy.train_norms = true;
  const std::string at = "layers.0.";
  EXPECT_EQ(slices_of_edge(model, "input->a0.h1<q>", policy),
            (std::set<std::string>{at + "input_layernorm.weight:0:0:24", at + "self_attn.q_norm.weight:0:0:4",
                                   at + "self_attn.q_proj.weight:0:4:4"}));
  EXPECT_EQ(slices_of_edge(model, "input->a0.kv1<k>", policy),
            (std::set<std::string>{at + "input_layernorm.weight:0:0:24", at + "self_attn.k_norm.weight:0:0:4",
                                   at + "self_attn.k_proj.weight:0:4:4"}));
  EXPECT_EQ(slices_of_edge(model, "input->a0.kv1<v>", policy),
            (std::set<std::string>{at + "input_layernorm.weight:0:0:24", at + "self_attn.v_proj.weight:0:4:4"}));
  EXPECT_EQ(slices_of_edge(model, "input->a0.h1<q>", {}),
            (std::set<std::string>{at + "self_attn.q_proj.weight:0:4:4"}));
}

// A post-norm is its writer's: of the heads, or of the MLP.
TEST(SlicesOfOneEdge, HoldThePostNormOfItsSourceOnlyWhenNormsAreTrained) {
  const Model model = model_of("gemma2", 2);
  SlicePolicy policy;
  policy.train_norms = true;
  const std::string at = "layers.0.";
  EXPECT_EQ(slices_of_edge(model, "a0.h1->m0", policy),
            (std::set<std::string>{at + "self_attn.o_proj.weight:1:4:4", at + "post_attention_layernorm.weight:0:0:24",
                                   at + "pre_feedforward_layernorm.weight:0:0:24", at + "mlp.gate_proj.weight:0:0:24",
                                   at + "mlp.up_proj.weight:0:0:24"}));
  EXPECT_EQ(slices_of_edge(model, "m0->logits", policy),
            (std::set<std::string>{at + "mlp.down_proj.weight:1:0:24", at + "post_feedforward_layernorm.weight:0:0:24",
                                   "norm.weight:0:0:24"}));
  EXPECT_EQ(slices_of_edge(model, "m0->logits", {}), (std::set<std::string>{at + "mlp.down_proj.weight:1:0:24"}));
}

TEST(Dot, NamesTheReader) {
  const Graph graph(shape("gpt2", 1, 2, 2), KeyValueNodes::kGrouped);
  EdgeScores scores{std::vector<float>(graph.n_edges(), 0.5F)};
  const std::string dot = to_dot(graph, {{*graph.find_edge("input->a0.h1<v>")}}, scores);
  EXPECT_NE(dot.find("\"input\" -> \"a0.h1\" [label=\"v\""), std::string::npos);
}

}  // namespace
}  // namespace circuit
