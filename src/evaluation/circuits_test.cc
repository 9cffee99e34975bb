#include "evaluation/circuits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "selection/selector.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float32 sums in another order, of metrics of size 1.
constexpr double kCircuitTolerance = 1e-5;

Circuit all_edges(const Graph& graph) {
  Circuit all;
  all.edges.resize(graph.n_edges());
  std::iota(all.edges.begin(), all.edges.end(), 0);
  return all;
}

class Families : public testing::TestWithParam<const char*> {
 protected:
  std::vector<CircuitOutcome> run(const std::vector<Circuit>& circuits, int64_t batch) const {
    ScoreSpec spec(logit_diff_metric());
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
    EXPECT_NEAR(outcomes[0].metric[i], metric(Side::kClean), kCircuitTolerance);
    EXPECT_NEAR(outcomes[1].metric[i], metric(Side::kCounterfactual), kCircuitTolerance);
    EXPECT_NEAR(outcomes[0].kl[i], 0, kCircuitTolerance);
    EXPECT_GT(outcomes[1].kl[i], 0);
    EXPECT_EQ(outcomes[0].accuracy[i], std::round(outcomes[0].accuracy[i] * 2) / 2);  // one or two readouts
  }
}

TEST_P(Families, OutcomesDoNotDependOnTheBatchOrOnOtherCircuits) {
  Circuit some;
  for (int64_t e = 0; e < graph_.n_edges(); e += 3) some.edges.push_back(e);
  const CircuitOutcome alone = run({some}, 1)[0];
  const CircuitOutcome among = run({all_edges(graph_), some, {}}, 7)[1];
  for (size_t i = 0; i < examples_.size(); ++i) EXPECT_NEAR(alone.metric[i], among.metric[i], kCircuitTolerance);
}

INSTANTIATE_TEST_SUITE_P(Each, Families, testing::Values("gpt2", "llama", "gpt_neox", "qwen3", "opt"));

}  // namespace
}  // namespace circuit
