#include "evaluation/circuits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "selection/selector.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float32 sums in another order, of metrics of size 1.
constexpr double kTolerance = 1e-5;

Circuit all_edges(const Graph& graph) {
  Circuit all;
  all.edges.resize(graph.n_edges());
  std::iota(all.edges.begin(), all.edges.end(), 0);
  return all;
}

class Families : public testing::TestWithParam<const char*> {
 protected:
  std::vector<CircuitOutcome> run(const std::vector<Circuit>& circuits, int64_t batch) const {
    ScoreSpec spec;
    spec.metric = logit_diff_metric();
    spec.batch = batch;
    return run_circuits(model_, graph_, pointers(examples_), spec, circuits, {});
  }
  Model model_ = Model::random(tiny_architecture(GetParam()), 0.3, 3, {});
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped};
  std::vector<Example> examples_ = random_examples(model_.architecture(), 7);
};

TEST_P(Families, AllEdgesGiveTheModelAndNoneTheCorruptedRun) {
  const auto outcomes = run({all_edges(graph_), {}}, 3);
  for (size_t i = 0; i < examples_.size(); ++i) {
    const auto metric = [&](Side side) {
      const ExampleBatch batch = make_example_batch({&examples_[i]}, model_.architecture(), at::kCPU);
      const ExampleBatch read = make_example_batch({&examples_[i]}, model_.architecture(), at::kCPU, side);
      const ForwardCache cache = forward(model_, read.tokens, Keep::kNothing);
      return logit_diff_metric().compute(model_, batch, cache.x_final, MetricGradient::kNone).values[0];
    };
    EXPECT_NEAR(outcomes[0].metric[i], metric(Side::kClean), kTolerance);
    EXPECT_NEAR(outcomes[1].metric[i], metric(Side::kCounterfactual), kTolerance);
    EXPECT_NEAR(outcomes[0].kl[i], 0, kTolerance);
    EXPECT_GT(outcomes[1].kl[i], 0);
    EXPECT_EQ(outcomes[0].accuracy[i], std::round(outcomes[0].accuracy[i] * 2) / 2);  // one or two readouts
  }
}

TEST_P(Families, OutcomesDoNotDependOnTheBatchOrOnOtherCircuits) {
  Circuit some;
  for (int64_t e = 0; e < graph_.n_edges(); e += 3) some.edges.push_back(e);
  const CircuitOutcome alone = run({some}, 1)[0];
  const CircuitOutcome among = run({all_edges(graph_), some, {}}, 7)[1];
  for (size_t i = 0; i < examples_.size(); ++i) EXPECT_NEAR(alone.metric[i], among.metric[i], kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Each, Families, testing::Values("gpt2", "llama", "gpt_neox", "qwen3", "opt"));

TEST(Faithfulness, IsTheShareOfTheRange) {
  Rng rng(1);
  const CircuitOutcome full{{3, 5, 4}, {}, {}};
  const CircuitOutcome empty{{1, 1, 1}, {}, {}};
  const CircuitOutcome half{{2, 3, 2.5}, {}, {}};
  const Faithfulness f = faithfulness(half, full, empty, rng);
  EXPECT_NEAR(f.value, 0.5, 1e-12);
  EXPECT_NEAR(f.interval.low, 0.5, 1e-12);  // every example has the same share
  EXPECT_NEAR(f.interval.high, 0.5, 1e-12);
}

TEST(Area, OfAConstantIsItsWidth) {
  EXPECT_NEAR(area(std::vector<double>(curve_shares().size(), 2)), 2 * (1 - 0.001), 1e-12);
  EXPECT_NEAR(area(curve_shares()), (1 - 1e-6) / 2, 1e-12);  // ∫ k dk
}

TEST(Bootstrap, CoversTheMeanAsOftenAsItSays) {
  Rng rng(9);
  int covered = 0;
  constexpr int kTrials = 200;
  for (int t = 0; t < kTrials; ++t) {
    std::vector<double> values(40);
    for (double& v : values) v = rng.normal();
    const Interval i = bootstrap(40, rng, [&](const std::vector<int64_t>& sample) { return mean_of(values, sample); });
    covered += i.contains(0);
  }
  // Binomial(200, 0.95) lies below 180 with probability 1e-3; percentile intervals of 40 cover a little less.
  EXPECT_GT(covered, 176);
  EXPECT_LT(covered, 200);
}

TEST(Recovery, ComparesMembershipAndRanks) {
  const EdgeScores scores{{0.9F, -0.8F, 0.1F, 0.1F, 0.0F}};
  const Recovery r = recovery({{0, 2}}, scores, {{0, 1, 3}});
  EXPECT_NEAR(r.precision, 0.5, 1e-12);
  EXPECT_NEAR(r.recall, 1.0 / 3, 1e-12);
  // Marked 0.9, 0.8, 0.1 against 0.1, 0: of six pairs five are won and one is a tie.
  EXPECT_NEAR(r.auroc, 5.5 / 6, 1e-12);
}

}  // namespace
}  // namespace circuit
