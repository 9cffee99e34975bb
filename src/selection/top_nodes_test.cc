#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "selection/testing.h"

namespace circuit {
namespace {

Architecture shape() {
  Architecture a;
  a.family = "llama";
  a.n_layers = 2;
  a.n_heads = 4;
  a.n_kv_heads = 2;
  a.d_model = 12;
  a.d_head = 4;
  a.d_mlp = 10;
  a.vocab = 7;
  a.norm.kind = NormKind::kRmsNorm;
  a.every_layer().mlp.gated = true;
  a.every_layer().attention.rotary = RotarySpec{};
  a.every_layer().attention.rotary->dims = 4;
  return a;
}

class TopNodes : public testing::Test {
 protected:
  TopNodes()
      : model_(Model::random(shape(), 0.1, 1, {})),
        graph_(model_.architecture(), KeyValueNodes::kGrouped),
        slices_(graph_, model_) {
    Rng rng(3);
    for (int64_t e = 0; e < graph_.n_edges(); ++e) scores_.values.push_back(static_cast<float>(rng.normal()));
  }
  Circuit select(int64_t n) const {
    SelectionSpec spec;
    spec.n = n;
    Rng rng(1);
    return find_selector("top-nodes").select({graph_, scores_, slices_}, spec, rng);
  }
  Model model_;
  Graph graph_;
  SliceTable slices_;
  EdgeScores scores_;
};

TEST_F(TopNodes, TakeEveryEdgeAmongTheStrongestAndNoOther) {
  std::vector<double> strength = node_scores(graph_, scores_);
  for (double& s : strength) s = std::fabs(s);
  for (const int64_t n : {1, 4, 7}) {
    std::vector<double> sorted = strength;
    std::sort(sorted.rbegin(), sorted.rend());
    const auto chosen = [&](int64_t u) { return strength[u] >= sorted[n - 1]; };
    const Circuit circuit = select(n);
    for (int64_t e = 0; e < graph_.n_edges(); ++e) {
      const Edge edge = graph_.edge(e);
      bool read = edge.downstream == graph_.logits();
      for (int64_t u = 0; u < graph_.n_upstream(); ++u)
        read = read || (chosen(u) && reads_for(graph_, edge.downstream, u));
      EXPECT_EQ(std::binary_search(circuit.edges.begin(), circuit.edges.end(), e), chosen(edge.upstream) && read)
          << n << " " << graph_.edge_name(e);
    }
  }
}

TEST_F(TopNodes, OfAllNodesAreTheWholeGraph) {
  EXPECT_EQ(static_cast<int64_t>(select(graph_.n_upstream()).edges.size()), graph_.n_edges());
}

}  // namespace
}  // namespace circuit
