#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "selection/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;

// The first n of all edges by strength, by a plain sort; zeros and less are left out.
std::vector<int64_t> naive_top(const std::vector<double>& strength, int64_t n) {
  std::vector<std::pair<double, int64_t>> order;
  for (size_t id = 0; id < strength.size(); ++id) {
    if (strength[id] > 0) order.emplace_back(-strength[id], static_cast<int64_t>(id));
  }
  std::sort(order.begin(), order.end());
  std::vector<int64_t> ids;
  for (const auto& [rank, id] : order) {
    if (static_cast<int64_t>(ids.size()) < n) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<double> naive_strengths(const SelectionCase& c, const SelectionSpec& spec) {
  std::vector<double> strength;
  for (const float score : c.scores.values) strength.push_back(strength_of(score, spec));
  return strength;
}

class Selection : public testing::TestWithParam<GraphForm> {
 protected:
  // Calls `check` on fine and coarse scores of several seeds.
  template <typename Check>
  void on_random_scores(const Check& check) {
    for (const auto kind : {SelectionCase::Scores::kFine, SelectionCase::Scores::kCoarse}) {
      for (uint64_t seed = 1; seed <= 3; ++seed) {
        case_.draw(seed, kind);
        check();
      }
    }
  }
  SelectionCase case_{GetParam()};
};

TEST_P(Selection, TopEdgesEqualsAPlainSort) {
  on_random_scores([&] {
    for (const int64_t n : {0, 1, 10, 100, 10000}) {
      SelectionSpec spec;
      spec.n = n;
      EXPECT_EQ(case_.select("top-edges", spec).edges, naive_top(naive_strengths(case_, spec), n));
      spec.signed_scores = true;
      EXPECT_EQ(case_.select("top-edges", spec).edges, naive_top(naive_strengths(case_, spec), n));
    }
  });
}

TEST_P(Selection, TopEdgesWeightedEqualsTheFormula) {
  const Graph& graph = case_.graph;
  on_random_scores([&] {
    std::vector<double> weight;
    for (int64_t id = 0; id < graph.n_edges(); ++id) {
      const Edge e = graph.edge(id);
      double upstream = 0;
      double downstream = 0;
      for (int64_t other = 0; other < graph.n_edges(); ++other) {
        const double magnitude = std::fabs(case_.scores.values[other]);
        if (graph.edge(other).upstream == e.upstream) upstream += magnitude;
        if (graph.edge(other).downstream == e.downstream) downstream += magnitude;
      }
      weight.push_back(std::fabs(case_.scores.values[id]) * (upstream * downstream));
    }
    for (const int64_t n : {1, 10, 100, 10000}) {
      SelectionSpec spec;
      spec.n = n;
      EXPECT_EQ(case_.select("top-edges-weighted", spec).edges, naive_top(weight, n));
    }
  });
}

TEST_P(Selection, ThresholdTakesWhatReachesIt) {
  on_random_scores([&] {
    for (const double threshold : {0.0, 0.25, 0.5, 1.1, 100.0}) {
      for (const bool signed_scores : {false, true}) {
        SelectionSpec spec;
        spec.own.set("threshold", threshold);
        spec.signed_scores = signed_scores;
        std::vector<int64_t> expected;
        for (int64_t id = 0; id < case_.graph.n_edges(); ++id) {
          const double strength = strength_of(case_.scores.values[id], spec);
          if (strength > 0 && strength >= static_cast<float>(threshold)) expected.push_back(id);
        }
        EXPECT_EQ(case_.select("threshold", spec).edges, expected) << threshold;
      }
    }
  });
}

TEST_P(Selection, ParamBudgetEqualsALinearScan) {
  const SliceTable& slices = case_.slices;
  const auto all = static_cast<double>(slices.parameters(slices.all()));
  const auto share = [&](const Circuit& c, const SelectionSpec& spec) {
    return static_cast<double>(slices.parameters(slices.of_circuit(c, spec.policy))) / all;
  };
  case_.draw(1, SelectionCase::Scores::kCoarse);
  // The last circuit of the scan that fits: taken as it comes, whatever the order of the shares.
  for (const double budget : {1e-9, 0.02, 0.1, 0.35, 1.0}) {
    SelectionSpec spec;
    spec.own.set("budget", budget);
    Circuit expected;
    for (spec.n = 1; spec.n <= case_.graph.n_edges(); ++spec.n) {
      const Circuit top = case_.select("top-edges", spec);
      if (share(top, spec) <= budget) expected = top;
    }
    EXPECT_EQ(case_.select("param-budget", spec).edges, expected.edges) << budget;
  }
  // A recorded share given back as the budget selects that circuit again, or more of the same size.
  SelectionSpec spec;
  spec.n = 12;
  const double recorded = share(case_.select("top-edges", spec), spec);
  spec.own.set("budget", recorded);
  EXPECT_EQ(share(case_.select("param-budget", spec), spec), recorded);
}

INSTANTIATE_TEST_SUITE_P(Graphs, Selection, testing::ValuesIn(graph_forms()));

class Selectors : public testing::Test {
 protected:
  Selectors() { case_.draw(1, SelectionCase::Scores::kFine); }
  Circuit select(const std::string& name, int64_t n, uint64_t seed = 1) {
    SelectionSpec spec;
    spec.n = n;
    return case_.select(name, spec, seed);
  }
  std::string refusal(const std::string& name, const SelectionSpec& spec) {
    try {
      case_.select(name, spec);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
  SelectionCase case_{graph_forms()[0]};
};

TEST_F(Selectors, TiesGoByEdgeOrderAndZerosAreNotTaken) {
  std::vector<float>& scores = case_.scores.values;
  std::fill(scores.begin(), scores.end(), 0.F);
  for (const int64_t id : {9, 4, 30, 31}) scores[id] = id % 2 == 0 ? 1.F : -1.F;
  EXPECT_EQ(select("top-edges", 2).edges, (std::vector<int64_t>{4, 9}));
  EXPECT_EQ(select("top-edges", 100).edges, (std::vector<int64_t>{4, 9, 30, 31}));
  EXPECT_EQ(select("threshold", 0).edges, (std::vector<int64_t>{4, 9, 30, 31}));
}

TEST_F(Selectors, AnEdgeWeighsMoreBetweenNodesThatMatter) {
  const Graph& graph = case_.graph;
  case_.scores.values.assign(graph.n_edges(), 0.F);
  const auto edge = [&](const char* name) { return *graph.find_edge(name); };
  case_.scores.values[edge("m0->logits")] = 3;        // 3 · 3 · 3: alone at both ends
  case_.scores.values[edge("input->m1")] = 2;         // 2 · (2 + 5) · 2 = 28
  case_.scores.values[edge("input->a0.h0<q>")] = -5;  // 5 · (2 + 5) · 5
  EXPECT_EQ(select("top-edges-weighted", 2).edges, (std::vector<int64_t>{edge("input->a0.h0<q>"), edge("input->m1")}));
}

// A file shows float32 0.7, which lies below the double 0.7.
TEST_F(Selectors, AThresholdIsMetByTheScoreThatPrintsAlike) {
  case_.scores.values.assign(case_.graph.n_edges(), 0.F);
  case_.scores.values[5] = 0.7F;
  SelectionSpec spec;
  spec.own.set("threshold", 0.7);
  EXPECT_EQ(case_.select("threshold", spec).edges, (std::vector<int64_t>{5}));
}

TEST_F(Selectors, RandomFirstReachesTheTrainableSizeOfTopEdges) {
  const auto trainable = [&](const Circuit& c) { return case_.slices.parameters(case_.slices.of_circuit(c, {})); };
  const int64_t target = trainable(select("top-edges", 5));
  const Circuit random = select("random", 5);
  EXPECT_GE(trainable(random), target);
  EXPECT_NE(random.edges, select("random", 5, 2).edges);
  EXPECT_EQ(random.edges, select("random", 5, 1).edges);
}

TEST_F(Selectors, AllNameTheEdgeOfAScoreThatIsNotFinite) {
  constexpr int64_t kEdge = 17;
  for (const float score : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    case_.scores.values[kEdge] = score;
    for (const Selector& selector : selectors()) {
      EXPECT_THAT(refusal(selector.name, {}), HasSubstr("'" + case_.graph.edge_name(kEdge) + "'")) << selector.name;
    }
  }
}

TEST_F(Selectors, RefuseWhatTheyCannotFollow) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  SelectionSpec spec;
  for (const double budget : {0.0, -0.5, 1.5, kNan}) {
    spec.own.set("budget", budget);
    EXPECT_THAT(refusal("param-budget", spec), HasSubstr("(0, 1]")) << budget;
  }
  for (const double threshold : {-1.0, kNan, std::numeric_limits<double>::infinity()}) {
    spec.own.set("threshold", threshold);
    EXPECT_THAT(refusal("threshold", spec), HasSubstr("threshold: found")) << threshold;
  }
  spec = {};
  spec.signed_scores = true;
  EXPECT_THAT(refusal("top-edges-weighted", spec), HasSubstr("no signed form"));
  spec = {};
  spec.n = -1;
  EXPECT_THAT(refusal("top-edges", spec), HasSubstr("n: found -1"));
  case_.scores.values.pop_back();
  EXPECT_THAT(refusal("greedy", {}), HasSubstr("one per edge"));
}

TEST(FindSelector, ListsTheKnownNamesForAnUnknownOne) {
  try {
    find_selector("best");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("top-edges"));
  }
}

}  // namespace
}  // namespace circuit
