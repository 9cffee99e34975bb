#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "selection/selector.h"

namespace circuit {
namespace {

Architecture shape() {
  Architecture a;
  a.family = "gpt2";
  a.n_layers = 3;
  a.n_heads = a.n_kv_heads = 2;
  a.d_head = 4;
  a.d_model = 8;
  a.d_mlp = 20;
  a.vocab = 7;
  a.n_positions = 8;
  a.learned_positions = a.qkv_bias = a.attn_out_bias = a.mlp_bias = a.tied_unembedding = true;
  return a;
}

class Selection : public testing::Test {
 protected:
  Selection() {
    Rng rng(1);
    for (int64_t i = 0; i < graph_.n_edges(); ++i) scores_.values.push_back(static_cast<float>(rng.normal()));
  }
  Circuit select(const std::string& name, int64_t n, uint64_t seed = 1) {
    Rng rng(seed);
    SelectionSpec spec;
    spec.n = n;
    return find_selector(name).select({graph_, scores_, slices_}, spec, rng);
  }
  Model model_ = Model::random(shape(), 0.1, 1, {});
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped};
  SliceTable slices_{graph_, model_};
  EdgeScores scores_;
};

TEST_F(Selection, TopEdgesTakesTheLargestMagnitudes) {
  const Circuit circuit = select("top-edges", 10);
  ASSERT_EQ(circuit.edges.size(), 10u);
  EXPECT_TRUE(std::is_sorted(circuit.edges.begin(), circuit.edges.end()));
  float weakest = 1e9F;
  for (const int64_t id : circuit.edges) weakest = std::min(weakest, std::fabs(scores_.values[id]));
  for (int64_t id = 0; id < graph_.n_edges(); ++id) {
    const bool inside = std::binary_search(circuit.edges.begin(), circuit.edges.end(), id);
    EXPECT_EQ(inside, std::fabs(scores_.values[id]) >= weakest);
  }
}

TEST_F(Selection, TiesGoByEdgeOrderAndZerosAreNotTaken) {
  std::fill(scores_.values.begin(), scores_.values.end(), 0.F);
  for (const int64_t id : {9, 4, 30, 31}) scores_.values[id] = id % 2 == 0 ? 1.F : -1.F;
  EXPECT_EQ(select("top-edges", 2).edges, (std::vector<int64_t>{4, 9}));
  EXPECT_EQ(select("top-edges", 100).edges, (std::vector<int64_t>{4, 9, 30, 31}));
}

TEST_F(Selection, RandomFirstReachesTheTrainableSizeOfTopEdges) {
  const auto trainable = [&](const Circuit& c) { return slices_.parameters(slices_.of_circuit(c, {})); };
  const int64_t target = trainable(select("top-edges", 5));
  const Circuit random = select("random", 5);
  EXPECT_GE(trainable(random), target);
  EXPECT_NE(random.edges, select("random", 5, 2).edges);
  EXPECT_EQ(random.edges, select("random", 5, 1).edges);
}

TEST(Selectors, AnUnknownNameListsTheKnownOnes) {
  try {
    find_selector("best");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("top-edges"), std::string::npos);
  }
}

}  // namespace
}  // namespace circuit
