// Selection against a circuit that EAP-IG's own code selected and pruned (../shared/data).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "graph/circuit_file.h"
#include "selection/prune.h"
#include "selection/selector.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// A model with GPT-2 small's graph and nothing of its size: selectors ask for slices.
Model narrow_model(const Architecture& shape) {
  Architecture a = shape;
  a.family = "gpt2";
  a.d_head = 1;
  a.d_model = a.n_heads;
  a.d_mlp = 2;
  a.vocab = 3;
  a.n_positions = 2;
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  a.embedding.learned_positions = a.head.tied = true;
  return Model::random(a, 0.1, 1, {});
}

TEST(PublishedCircuit, IsTheStrongest800EdgesPruned) {
  const fs::path file = fs::path(CIRCUIT_SOURCE_DIR) / "../shared/data/circuits/mib-gpt2/ioi-eap-ig.json";
  if (!fs::exists(file)) GTEST_SKIP() << "../shared is absent";
  constexpr int64_t kEdgesAskedFor = 800;
  constexpr size_t kEdgesInGraph = 756;
  const CircuitFile published = read_circuit(file.string());
  ASSERT_EQ(published.circuit.edges.size(), kEdgesInGraph);
  const Model model = narrow_model(published.shape.architecture);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable slices(graph, model);
  SelectionSpec spec;
  spec.n = kEdgesAskedFor;
  Rng rng(1);
  const Circuit top = find_selector("top-edges").select({graph, published.scores, slices}, spec, rng);
  EXPECT_EQ(static_cast<int64_t>(top.edges.size()), kEdgesAskedFor);
  EXPECT_EQ(prune(graph, top).edges, published.circuit.edges);
}

}  // namespace
}  // namespace circuit
