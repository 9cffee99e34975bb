#include "evaluation/baselines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "evaluation/evaluate_circuit.h"
#include "selection/prune.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float32 sums in another order, of metrics of size 1.
constexpr double kSharedTolerance = 1e-5;

class Baselines : public testing::Test {
 protected:
  // A model in which head a1.h2 alone writes: what it reads of the input is all that there is to find.
  static Model planted_model() {
    Model model = Model::random(tiny_architecture("gpt2"), 0.5, 3, {});
    for (const LayerLayout& layer : model.layout().layers) {
      model.writable(layer.w_out.tensor).zero_();
      at::Tensor w_o = model.writable(layer.w_o.tensor);
      const bool second = &layer == &model.layout().layers[1];
      for (int64_t h = 0; h < model.architecture().n_heads; ++h) {
        if (!second || h != 2) w_o.narrow(0, h * model.architecture().d_head, model.architecture().d_head).zero_();
      }
    }
    return model;
  }
  Circuit planted() const {
    Circuit circuit;
    for (const char* edge : {"input->a1.h2<q>", "input->a1.h2<k>", "input->a1.h2<v>", "input->logits", "a1.h2->logits"})
      circuit.edges.push_back(*graph_.find_edge(edge));
    std::sort(circuit.edges.begin(), circuit.edges.end());
    return circuit;
  }
  // drawn: how many numbers it took of the generator.
  CircuitEvaluation evaluate(const Circuit& circuit, bool baselines, uint64_t* drawn = nullptr) const {
    EvaluationSpec what;
    what.redundancy = 3;
    what.baselines = baselines;
    what.draws = 7;
    Rng rng(1);
    CircuitEvaluation found = evaluate_circuit(model_, {graph_, scores_, slices_}, circuit, pointers(examples_),
                                               ScoreSpec(logit_diff_metric()), what, rng, {});
    if (drawn != nullptr) *drawn = rng.counter();
    return found;
  }
  std::vector<SizedBaseline> sized(int64_t edges, uint64_t seed) const {
    return sized_baselines(model_, graph_, pointers(examples_), ScoreSpec(logit_diff_metric()), edges, Pruning::kPrune,
                           3, Rng(seed));
  }

  Model model_ = planted_model();
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped};
  SliceTable slices_{graph_, model_};
  // One example seven times: a random model moves the metric of different ones in different directions.
  std::vector<Example> examples_ = std::vector<Example>(7, random_examples(model_.architecture(), 1)[0]);
  EdgeScores scores_{std::vector<float>(graph_.n_edges(), 1.0F)};
};

TEST_F(Baselines, ARunHasTheSizeAskedForAndIsOfTheRankingsStart) {
  Rng rng(5);
  for (int64_t edges = 1; edges <= graph_.n_edges(); edges += 3) {
    const std::vector<int64_t> ranking = permutation(graph_.n_edges(), rng);
    const SizedBaseline found = circuit_of_size(graph_, ranking, edges, Pruning::kPrune);
    // Most sizes below those of two or three paths have no circuit that a random order reaches.
    if (edges > 12) {
      EXPECT_EQ(static_cast<int64_t>(found.run.edges.size()), edges);
    }
    EXPECT_GE(static_cast<int64_t>(found.run.edges.size()), edges);
    EXPECT_EQ(prune(graph_, found.run).edges, found.run.edges);
    const std::set<int64_t> start(ranking.begin(), ranking.begin() + found.edges);
    for (const int64_t e : found.run.edges) EXPECT_EQ(start.count(e), 1U);
    // One edge fewer of the ranking would not do.
    Circuit shorter{{ranking.begin(), ranking.begin() + found.edges - 1}};
    std::sort(shorter.edges.begin(), shorter.edges.end());
    EXPECT_LT(static_cast<int64_t>(prune(graph_, shorter).edges.size()), edges);
    const SizedBaseline kept = circuit_of_size(graph_, ranking, edges, Pruning::kKeep);
    EXPECT_EQ(static_cast<int64_t>(kept.run.edges.size()), edges);
    EXPECT_EQ(static_cast<int64_t>(kept.run.edges.size() + kept.others.edges.size()), graph_.n_edges());
  }
}

TEST_F(Baselines, DrawsAreTheSameOfASeedAndDifferFromEachOther) {
  const auto runs = [&](uint64_t seed) {
    std::vector<std::vector<int64_t>> all;
    for (const SizedBaseline& b : sized(40, seed)) all.push_back(b.run.edges);
    return all;
  };
  const auto once = runs(1);
  ASSERT_EQ(once.size(), 5U);
  EXPECT_EQ(once, runs(1));
  EXPECT_NE(once[0], once[1]);
  EXPECT_NE(once[1], once[2]);
  const auto other = runs(2);
  EXPECT_NE(once[0], other[0]);
  // Scores have no seed.
  EXPECT_EQ(once[3], other[3]);
  EXPECT_EQ(once[4], other[4]);
}

TEST_F(Baselines, APlantedCircuitBeatsRandomOnes) {
  const CircuitEvaluation e = evaluate(planted(), true);
  ASSERT_TRUE(e.faithfulness.has_value());
  EXPECT_NEAR(e.faithfulness->value, 1, kSharedTolerance);
  ASSERT_EQ(e.baselines.size(), 3U);
  const Baseline& random = e.baselines[0];
  EXPECT_EQ(random.name, "random");
  ASSERT_EQ(random.draws.size(), 7U);
  EXPECT_GT(random.difference->interval.low, 0.1);
  EXPECT_LT(*random.as_faithful, 0.5);
  EXPECT_EQ(e.baselines[1].name, "magnitude");
  EXPECT_EQ(e.baselines[2].name, "wanda");
}

TEST_F(Baselines, SayWhatRunsOfTheirCircuitsSay) {
  Circuit circuit;
  for (int64_t e = 0; e < graph_.n_edges(); e += 2) circuit.edges.push_back(e);
  const CircuitEvaluation e = evaluate(circuit, true);
  const auto baselines = sized_baselines(model_, graph_, pointers(examples_), ScoreSpec(logit_diff_metric()),
                                         e.edges_run, Pruning::kPrune, 7, Rng(1));
  std::vector<Circuit> circuits{whole(graph_), {}, prune(graph_, circuit)};
  for (const SizedBaseline& b : baselines) circuits.push_back(b.run);
  for (const SizedBaseline& b : baselines) circuits.push_back(prune(graph_, complement(graph_, b.run)));
  const auto outcomes = run_circuits(model_, graph_, pointers(examples_), ScoreSpec(logit_diff_metric()), circuits, {});
  const auto f = [&](size_t i) {
    return (outcomes[i].metric[0] - outcomes[1].metric[0]) / (outcomes[0].metric[0] - outcomes[1].metric[0]);
  };
  double mean = 0;
  int64_t as_good = 0;
  for (size_t d = 0; d < 7; ++d) {
    const BaselineDraw& draw = e.baselines[0].draws[d];
    EXPECT_EQ(draw.edges_run, e.edges_run);
    EXPECT_NEAR(draw.metric, outcomes[3 + d].metric[0], kSharedTolerance);
    EXPECT_NEAR(*draw.faithfulness, f(3 + d), kSharedTolerance);
    EXPECT_NEAR(*draw.completeness_gap, f(3 + 9 + d), kSharedTolerance);
    mean += f(3 + d) / 7;
    as_good += f(3 + d) >= f(2);
  }
  EXPECT_NEAR(e.baselines[0].faithfulness->value, mean, kSharedTolerance);
  EXPECT_NEAR(e.baselines[0].difference->value, f(2) - mean, kSharedTolerance);
  EXPECT_DOUBLE_EQ(*e.baselines[0].as_faithful, static_cast<double>(as_good) / 7);
  EXPECT_NEAR(e.baselines[2].faithfulness->value, f(3 + 8), kSharedTolerance);
}

TEST_F(Baselines, ChangeNoNumberOfTheEvaluation) {
  uint64_t drawn = 0;
  uint64_t drawn_without = 0;
  const CircuitEvaluation with = evaluate(planted(), true, &drawn);
  const CircuitEvaluation without = evaluate(planted(), false, &drawn_without);
  EXPECT_EQ(drawn, drawn_without);
  EXPECT_TRUE(without.baselines.empty());
  EXPECT_EQ(with.faithfulness->value, without.faithfulness->value);
  EXPECT_EQ(with.faithfulness->interval.low, without.faithfulness->interval.low);
  EXPECT_EQ(with.minimality->share.value, without.minimality->share.value);
  EXPECT_EQ(with.curve->cmd.interval.high, without.curve->cmd.interval.high);
}

TEST_F(Baselines, HaveNoFaithfulnessWhereTheCircuitHasNone) {
  for (Example& e : examples_) e.counterfactual_ids = e.ids;
  const CircuitEvaluation e = evaluate(planted(), true);
  ASSERT_FALSE(e.faithfulness.has_value());
  ASSERT_EQ(e.baselines.size(), 3U);
  for (const Baseline& b : e.baselines) {
    EXPECT_NEAR(b.metric.value, e.full.metric.value, kSharedTolerance);
    EXPECT_FALSE(b.faithfulness || b.completeness_gap || b.difference || b.as_faithful);
  }
}

}  // namespace
}  // namespace circuit
