#include "tuning/circuit_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "selection/ranking.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

TEST(Patterns, StarsStandForAnyCharacters) {
  EXPECT_TRUE(matches("m3", "m3"));
  EXPECT_FALSE(matches("m3", "m31"));
  EXPECT_TRUE(matches("m*", "m31"));
  EXPECT_TRUE(matches("a0.h*<q>", "a0.h11<q>"));
  EXPECT_FALSE(matches("a0.h*<q>", "a0.h11<k>"));
  EXPECT_TRUE(matches("*h*1*", "a0.h21<q>"));
  EXPECT_FALSE(matches("", "x"));
}

class Policies : public testing::Test {
 protected:
  Policies()
      : model(Model::random(tiny_architecture("llama"), 0.3, 2, {})),
        graph(model.architecture(), KeyValueNodes::kGrouped),
        table(graph, model) {
    spec.selector = top_edges_selector();
    spec.selection.n = 5;
    spec.steps = 11;
  }

  EdgeScores random_scores(uint64_t seed) const {
    Rng rng(seed);
    EdgeScores scores;
    for (int64_t e = 0; e < graph.n_edges(); ++e) scores.values.push_back(static_cast<float>(rng.normal()));
    return scores;
  }
  Choice choose(const PolicySpec& with, const EdgeScores& scores, int64_t step = 0) const {
    Rng rng(1);
    return CircuitPolicy(graph, table, with).choose(step, scores, rng);
  }

  Model model;
  Graph graph;
  SliceTable table;
  PolicySpec spec;
};

TEST_F(Policies, WithNothingAskedForTheSelectorsCircuitAndItsSlices) {
  const EdgeScores scores = random_scores(1);
  Rng rng(1);
  const Circuit expected = top_edges_selector().select({graph, scores, table}, spec.selection, rng);
  const Choice choice = choose(spec, scores);
  EXPECT_EQ(choice.circuit.edges, expected.edges);
  EXPECT_EQ(choice.slices, table.of_circuit(expected, {}));
}

TEST_F(Policies, TheComplementIsWhatOtherCircuitsTrain) {
  const EdgeScores scores = random_scores(1);
  const Choice circuit = choose(spec, scores);
  spec.train = PolicySpec::Train::kComplement;
  const Choice complement = choose(spec, scores);
  EXPECT_EQ(complement.circuit.edges, circuit.circuit.edges);
  Circuit whole;
  for (int64_t e = 0; e < graph.n_edges(); ++e) whole.edges.push_back(e);
  std::vector<int64_t> both;
  std::merge(circuit.slices.begin(), circuit.slices.end(), complement.slices.begin(), complement.slices.end(),
             std::back_inserter(both));
  EXPECT_EQ(both, table.of_circuit(whole, {}));  // each once
}

TEST_F(Policies, SmoothingAveragesOverDiscoveries) {
  spec.smoothing = 0.75;
  CircuitPolicy policy(graph, table, spec);
  Rng rng(1);
  const EdgeScores first = random_scores(1);
  const EdgeScores second = random_scores(2);
  policy.choose(0, first, rng);
  const Choice choice = policy.choose(1, second, rng);
  EdgeScores mean;
  for (size_t e = 0; e < first.values.size(); ++e) {
    mean.values.push_back(static_cast<float>(0.75 * first.values[e] + 0.25 * second.values[e]));
  }
  EXPECT_EQ(policy.state().smoothed, mean.values);
  PolicySpec plain = spec;
  plain.smoothing = 0;
  EXPECT_EQ(choice.circuit.edges, choose(plain, mean).circuit.edges);
  // Restored, it goes on as if never stopped.
  CircuitPolicy resumed(graph, table, spec);
  resumed.restore(policy.state());
  const EdgeScores third = random_scores(3);
  EXPECT_EQ(resumed.choose(2, third, rng).circuit.edges, policy.choose(2, third, rng).circuit.edges);
}

TEST_F(Policies, AnEdgeStaysUntilItLeavesTheLowerRank) {
  spec.leave_rank = 8;
  CircuitPolicy policy(graph, table, spec);
  Rng rng(1);
  const Circuit before = policy.choose(0, random_scores(1), rng).circuit;
  EdgeScores scores = random_scores(2);
  // One of the last circuit's edges ranks sixth, another last.
  const Circuit strongest_five = strongest(strengths({graph, scores, table}, spec.selection), 5);
  double weakest = 1e9;
  for (const int64_t e : strongest_five.edges) weakest = std::min<double>(weakest, std::fabs(scores.values[e]));
  for (const int64_t e : before.edges) {
    if (!std::binary_search(strongest_five.edges.begin(), strongest_five.edges.end(), e)) scores.values[e] = 1e-6F;
  }
  const int64_t staying = before.edges.front();
  ASSERT_FALSE(std::binary_search(strongest_five.edges.begin(), strongest_five.edges.end(), staying));
  scores.values[staying] = static_cast<float>(weakest * 0.9999);
  const Circuit after = policy.choose(1, scores, rng).circuit;
  EXPECT_EQ(after.edges.size(), 6u);
  EXPECT_TRUE(std::binary_search(after.edges.begin(), after.edges.end(), staying));
  for (const int64_t e : strongest_five.edges)
    EXPECT_TRUE(std::binary_search(after.edges.begin(), after.edges.end(), e));
  spec.leave_rank = 3;
  EXPECT_THROW(CircuitPolicy(graph, table, spec), UsageError);
}

TEST_F(Policies, NGoesFromTheFirstToTheLastStep) {
  spec.n_final = 45;
  spec.size = SizeSchedule::kLinear;
  EXPECT_EQ(CircuitPolicy(graph, table, spec).n_at(0), 5);
  EXPECT_EQ(CircuitPolicy(graph, table, spec).n_at(5), 25);
  EXPECT_EQ(CircuitPolicy(graph, table, spec).n_at(10), 45);
  spec.size = SizeSchedule::kGeometric;
  EXPECT_EQ(CircuitPolicy(graph, table, spec).n_at(5), 15);
  EXPECT_EQ(choose(spec, random_scores(1), 10).circuit.edges.size(), 45u);
}

TEST_F(Policies, AlwaysAndNeverBoundWhatIsTrained) {
  spec.always = {"m1"};
  spec.never = {"a0.*"};
  const Choice choice = choose(spec, random_scores(4));
  EXPECT_EQ(choice.circuit.edges.size(), 5u);  // others fill the places
  std::vector<std::string> nodes;
  for (const int64_t id : choice.slices) nodes.push_back(table[id].node);
  EXPECT_EQ(std::count_if(nodes.begin(), nodes.end(), [](const std::string& n) { return n.rfind("a0.", 0) == 0; }), 0);
  EXPECT_GT(std::count(nodes.begin(), nodes.end(), "m1"), 0);
  for (const int64_t e : choice.circuit.edges) EXPECT_EQ(graph.edge_name(e).find("a0."), std::string::npos);
  spec.never = {"a7.*"};
  EXPECT_THROW(choose(spec, random_scores(4)), UsageError);
}

TEST_F(Policies, ExtraNodesAreAShareOfThoseOutside) {
  spec.selection.policy.shared_biases = false;
  const EdgeScores scores = random_scores(5);
  const Choice alone = choose(spec, scores);
  spec.extra_random = 1;
  Circuit whole;
  for (int64_t e = 0; e < graph.n_edges(); ++e) whole.edges.push_back(e);
  EXPECT_EQ(choose(spec, scores).slices, table.of_circuit(whole, spec.selection.policy));
  spec.extra_random = 0.3;
  const Choice wider = choose(spec, scores);
  EXPECT_EQ(wider.circuit.edges, alone.circuit.edges);  // the circuit itself does not change
  EXPECT_GT(wider.slices.size(), alone.slices.size());
  EXPECT_TRUE(std::includes(wider.slices.begin(), wider.slices.end(), alone.slices.begin(), alone.slices.end()));
}

// One set for the whole run, with none of the other run's nodes.
TEST_F(Policies, ExtraNodesOutsideAnotherCircuitStay) {
  spec.selection.policy.shared_biases = false;
  const CircuitNodes none{std::vector<bool>(graph.n_upstream()), std::vector<bool>(graph.n_downstream())};
  CircuitNodes inside = none;
  for (int64_t u = 0; u < graph.n_upstream(); u += 2) inside.upstream[u] = true;
  for (int64_t v = 0; v < graph.n_downstream(); v += 2) inside.downstream[v] = true;
  spec.outside = inside;
  spec.extra_random = 0.5;
  std::vector<std::vector<int64_t>> extra;
  for (const uint64_t seed : {5, 6}) {
    const Choice alone = [&] {
      PolicySpec plain = spec;
      plain.extra_random = 0;
      return choose(plain, random_scores(seed));
    }();
    const std::vector<int64_t> wider = choose(spec, random_scores(seed)).slices;
    EXPECT_TRUE(std::includes(wider.begin(), wider.end(), alone.slices.begin(), alone.slices.end()));
    std::vector<int64_t> added;
    std::set_difference(wider.begin(), wider.end(), alone.slices.begin(), alone.slices.end(),
                        std::back_inserter(added));
    const std::vector<int64_t> kept = table.of_nodes(inside, spec.selection.policy);
    for (const int64_t id : added) EXPECT_FALSE(std::binary_search(kept.begin(), kept.end(), id)) << table[id].node;
    EXPECT_FALSE(added.empty());
    extra.push_back(wider);
  }
  spec.seed = 1;
  EXPECT_NE(choose(spec, random_scores(5)).slices, extra[0]);
}

}  // namespace
}  // namespace circuit
