#include "selection/prune.h"

#include <gtest/gtest.h>

#include "selection/testing.h"

namespace circuit {
namespace {

// The definition: an edge whose source is not `input` needs an edge into that node, one whose reader is not
// `logits` needs an edge out of that node; what lacks one goes, until nothing changes.
std::vector<int64_t> naive_prune(const Graph& graph, std::vector<int64_t> edges) {
  const auto fed = [&](int64_t u) {
    if (u == 0) return true;
    for (const int64_t id : edges) {
      if (reads_for(graph, graph.edge(id).downstream, u)) return true;
    }
    return false;
  };
  const auto used = [&](int64_t v) {
    if (v == graph.logits()) return true;
    for (const int64_t id : edges) {
      if (reads_for(graph, v, graph.edge(id).upstream)) return true;
    }
    return false;
  };
  for (;;) {
    std::vector<int64_t> kept;
    for (const int64_t id : edges) {
      if (fed(graph.edge(id).upstream) && used(graph.edge(id).downstream)) kept.push_back(id);
    }
    if (kept.size() == edges.size()) return kept;
    edges = kept;
  }
}

Graph graph_of(const GraphForm& form) {
  Architecture a = small_architecture(form.family, form.kv_heads);
  a.every_layer().set_parallel(form.parallel);
  return {a, form.key_values};
}

class Prune : public testing::TestWithParam<GraphForm> {};

TEST_P(Prune, EqualsTheNaiveSearchOnRandomCircuits) {
  const Graph graph = graph_of(GetParam());
  int64_t kept = 0;
  int64_t dropped = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Rng rng(seed);
    // From nearly empty to dense.
    const double share = 0.3 * rng.uniform();
    Circuit circuit;
    for (int64_t id = 0; id < graph.n_edges(); ++id) {
      if (rng.uniform() < share) circuit.edges.push_back(id);
    }
    const Circuit pruned = prune(graph, circuit);
    ASSERT_EQ(pruned.edges, naive_prune(graph, circuit.edges)) << "seed " << seed;
    EXPECT_EQ(prune(graph, pruned).edges, pruned.edges) << "pruning twice changes something";
    kept += static_cast<int64_t>(pruned.edges.size());
    dropped += static_cast<int64_t>(circuit.edges.size() - pruned.edges.size());
  }
  EXPECT_GT(kept, 0) << "no circuit had a path: the test says nothing";
  EXPECT_GT(dropped, 0) << "every edge was on a path: the test says nothing";
}

TEST_P(Prune, KeepsTheWholeGraph) {
  const Graph graph = graph_of(GetParam());
  Circuit whole;
  for (int64_t id = 0; id < graph.n_edges(); ++id) whole.edges.push_back(id);
  EXPECT_EQ(prune(graph, whole).edges, whole.edges);
  EXPECT_TRUE(prune(graph, {}).edges.empty());
}

INSTANTIATE_TEST_SUITE_P(Graphs, Prune, testing::ValuesIn(graph_forms()));

std::vector<int64_t> ids_of(const Graph& graph, const std::vector<std::string>& names) {
  std::vector<int64_t> ids;
  for (const std::string& name : names) ids.push_back(*graph.find_edge(name));
  return ids;
}

TEST(PruneByHand, DropsAChainThatEndsNowhereToItsBeginning) {
  const Graph graph = graph_of(graph_forms()[0]);
  const Circuit circuit{
      ids_of(graph, {"input->m0", "m0->a1.h2<k>", "m0->m1", "a1.h2->m2", "a0.h1->logits", "m1->logits"})};
  EXPECT_EQ(prune(graph, circuit).edges, ids_of(graph, {"input->m0", "m0->m1", "m1->logits"}));
}

// kv0 serves heads 0 and 1: what is read into it leaves through head 1 too, not through head 2.
TEST(PruneByHand, AGroupedReaderLeadsToEveryHeadOfItsGroup) {
  const Graph graph = graph_of(graph_forms()[2]);
  const Circuit circuit{ids_of(graph, {"input->a0.kv0<v>", "a0.h1->logits", "a0.h2->logits"})};
  EXPECT_EQ(prune(graph, circuit).edges, ids_of(graph, {"input->a0.kv0<v>", "a0.h1->logits"}));
}

// Sequential blocks: a head feeds the MLP of its layer, whose reader comes after it in edge order.
TEST(PruneByHand, APathMayPassHeadAndMlpOfOneLayer) {
  const Graph graph = graph_of(graph_forms()[0]);
  const Circuit circuit{ids_of(graph, {"input->a1.h0<q>", "a1.h0->m1", "m1->logits"})};
  EXPECT_EQ(prune(graph, circuit).edges, circuit.edges);
}

}  // namespace
}  // namespace circuit
