#include <gtest/gtest.h>

#include <algorithm>

#include "selection/testing.h"

namespace circuit {
namespace {

// apply_greedy as it is told: each time, look at every edge for the best one into a node of the circuit.
// O(n · edges · nodes).
std::vector<int64_t> naive_greedy(const SelectionCase& c, const SelectionSpec& spec) {
  const Graph& graph = c.graph;
  std::vector<bool> node_in(graph.n_upstream());
  std::vector<bool> taken(graph.n_edges());
  const auto child_in = [&](int64_t v) {
    if (v == graph.logits()) return true;
    for (int64_t u = 0; u < graph.n_upstream(); ++u) {
      if (node_in[u] && reads_for(graph, v, u)) return true;
    }
    return false;
  };
  for (int64_t step = 0; step < spec.n; ++step) {
    int64_t best = -1;
    double strength = 0;
    for (int64_t id = 0; id < graph.n_edges(); ++id) {
      const double own = strength_of(c.scores.values[id], spec);
      if (taken[id] || own <= strength || !child_in(graph.edge(id).downstream)) continue;
      best = id;
      strength = own;
    }
    if (best < 0) break;
    taken[best] = true;
    node_in[graph.edge(best).upstream] = true;
  }
  std::vector<int64_t> edges;
  for (int64_t id = 0; id < graph.n_edges(); ++id) {
    if (taken[id]) edges.push_back(id);
  }
  return edges;
}

class Greedy : public testing::TestWithParam<GraphForm> {};

TEST_P(Greedy, EqualsTheNaiveSearchOnRandomScores) {
  SelectionCase c(GetParam());
  for (const auto kind : {SelectionCase::Scores::kFine, SelectionCase::Scores::kCoarse}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      c.draw(seed, kind);
      for (const int64_t n : {0, 1, 2, 7, 40, 10000}) {
        SelectionSpec spec;
        spec.n = n;
        EXPECT_EQ(c.select("greedy", spec).edges, naive_greedy(c, spec)) << "seed " << seed << ", n " << n;
        spec.signed_scores = true;
        EXPECT_EQ(c.select("greedy", spec).edges, naive_greedy(c, spec)) << "signed, seed " << seed << ", n " << n;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Graphs, Greedy, testing::ValuesIn(graph_forms()));

// Only what is reached from logits can be taken, however strong the rest is.
TEST(GreedyByHand, FollowsTheCircuitBackFromLogits) {
  SelectionCase c(graph_forms()[0]);
  c.scores.values.assign(c.graph.n_edges(), 0.F);
  const auto set = [&](const char* name, float score) { c.scores.values[*c.graph.find_edge(name)] = score; };
  set("input->a0.h0<q>", 9);
  set("a1.h2->logits", 1);
  set("m0->a1.h2<v>", -5);
  set("input->m0", 3);
  set("input->a1.h2<k>", 4);
  SelectionSpec spec;
  const auto names = [&](int64_t n) {
    spec.n = n;
    std::vector<std::string> found;
    for (const int64_t id : c.select("greedy", spec).edges) found.push_back(c.graph.edge_name(id));
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(1), (Names{"a1.h2->logits"}));
  EXPECT_EQ(names(2), (Names{"m0->a1.h2<v>", "a1.h2->logits"}));
  EXPECT_EQ(names(3), (Names{"input->a1.h2<k>", "m0->a1.h2<v>", "a1.h2->logits"}));
  EXPECT_EQ(names(100), (Names{"input->m0", "input->a1.h2<k>", "m0->a1.h2<v>", "a1.h2->logits"}));
  spec.signed_scores = true;
  EXPECT_EQ(names(100), (Names{"input->a1.h2<k>", "a1.h2->logits"}));
}

// Reaching one head of a group opens the group's keys and values, but no other head's queries.
TEST(GreedyByHand, OneHeadOpensTheReadersOfItsGroup) {
  SelectionCase c(graph_forms()[2]);
  c.scores.values.assign(c.graph.n_edges(), 0.F);
  for (const char* name : {"a1.h3->logits", "input->a1.kv1<k>", "input->a1.kv0<k>", "input->a1.h2<q>"}) {
    c.scores.values[*c.graph.find_edge(name)] = 1;
  }
  const Circuit circuit = c.select("greedy", {});
  EXPECT_EQ(circuit.edges,
            (std::vector<int64_t>{*c.graph.find_edge("input->a1.kv1<k>"), *c.graph.find_edge("a1.h3->logits")}));
}

}  // namespace
}  // namespace circuit
