#include "graph/graph.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

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
  a.learned_positions = family == "gpt2";
  a.qkv_bias = a.attn_out_bias = a.mlp_bias = family == "gpt2";
  a.gated_mlp = family == "llama";
  a.tied_unembedding = true;
  if (family == "llama") {
    a.norm = NormKind::kRmsNorm;
    a.rotary = RotarySpec{};
    a.rotary->dims = 4;
  }
  return a;
}

TEST(Graph, CountsAreThePublishedOnes) {
  const Graph gpt2(shape("gpt2", 12, 12, 12), KeyValueNodes::kGrouped);
  EXPECT_EQ(gpt2.n_upstream(), 157);
  EXPECT_EQ(gpt2.n_downstream(), 445);
  EXPECT_EQ(gpt2.n_edges(), 32491);
  Architecture parallel = shape("gpt2", 12, 12, 12);
  parallel.parallel_blocks = true;
  EXPECT_EQ(Graph(parallel, KeyValueNodes::kGrouped).n_edges(), 32347);
  const Architecture llama = shape("llama", 32, 32, 8);
  EXPECT_EQ(Graph(llama, KeyValueNodes::kGrouped).n_edges(), 805681);
  EXPECT_EQ(Graph(llama, KeyValueNodes::kUngrouped).n_edges(), 1592881);
  EXPECT_EQ(Graph(shape("gpt2", 6, 4, 4), KeyValueNodes::kGrouped).n_edges(), 1108);
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

class Slices : public testing::TestWithParam<const char*> {};

TEST_P(Slices, OfAllNodesTileTheModelWithoutOverlap) {
  const std::string family = GetParam();
  const Model model = Model::random(shape(family, 2, 6, family == "llama" ? 3 : 6), 0.1, 1, {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  EXPECT_EQ(table.parameters(table.all()), model.parameter_count());
  std::map<std::string, at::Tensor> touched;
  for (const auto& [name, tensor] : model.parameters()) tensor.zero_();
  for (const Slice& slice : table.slices()) slice_view(model, slice).add_(1);
  for (const auto& [name, tensor] : model.parameters()) {
    EXPECT_TRUE(tensor.eq(1).all().item<bool>()) << name << ": a parameter is in no slice or in two";
  }
}

TEST_P(Slices, OfOneEdgeAreThoseOfItsEnds) {
  const std::string family = GetParam();
  const Model model = Model::random(shape(family, 2, 6, family == "llama" ? 3 : 6), 0.1, 1, {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  const bool llama = family == "llama";
  const auto edge = graph.find_edge(llama ? "a0.h4->a1.kv2<k>" : "a0.h4->a1.h2<k>");
  std::set<std::string> found;
  SlicePolicy policy;
  for (const int64_t id : table.of_circuit({{*edge}}, policy)) {
    const Slice& s = table[id];
    found.insert(s.tensor + ":" + std::to_string(s.dim) + ":" + std::to_string(s.start) + ":" +
                 std::to_string(s.length));
  }
  if (llama) {
    EXPECT_EQ(found, (std::set<std::string>{"layers.0.self_attn.o_proj.weight:1:16:4",
                                            "layers.1.self_attn.k_proj.weight:0:8:4"}));
  } else {
    EXPECT_EQ(found, (std::set<std::string>{"h.0.attn.c_proj.weight:0:16:4", "h.0.attn.c_proj.bias:0:0:24",
                                            "h.1.attn.c_attn.weight:1:32:4", "h.1.attn.c_attn.bias:0:32:4"}));
  }
}

TEST_P(Slices, UngroupedReadersShareTheirGroupsSlices) {
  const std::string family = GetParam();
  const Model model = Model::random(shape(family, 1, 6, family == "llama" ? 3 : 6), 0.1, 1, {});
  const Graph grouped(model.architecture(), KeyValueNodes::kGrouped);
  const Graph ungrouped(model.architecture(), KeyValueNodes::kUngrouped);
  const SliceTable a(grouped, model);
  const SliceTable b(ungrouped, model);
  const bool llama = family == "llama";
  const auto one = a.of_circuit({{*grouped.find_edge(llama ? "input->a0.kv1<v>" : "input->a0.h3<v>")}}, {});
  const auto two = b.of_circuit({{*ungrouped.find_edge("input->a0.h3<v>")}}, {});
  EXPECT_EQ(one, two);
}

TEST_P(Slices, ATiedMatrixNeedsBothEnds) {
  const std::string family = GetParam();
  const Model model = Model::random(shape(family, 1, 6, family == "llama" ? 3 : 6), 0.1, 1, {});
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

INSTANTIATE_TEST_SUITE_P(Families, Slices, testing::Values("gpt2", "llama"));

TEST(Dot, NamesTheReader) {
  const Graph graph(shape("gpt2", 1, 2, 2), KeyValueNodes::kGrouped);
  EdgeScores scores{std::vector<float>(graph.n_edges(), 0.5F)};
  const std::string dot = to_dot(graph, {{*graph.find_edge("input->a0.h1<v>")}}, scores);
  EXPECT_NE(dot.find("\"input\" -> \"a0.h1\" [label=\"v\""), std::string::npos);
}

}  // namespace
}  // namespace circuit
