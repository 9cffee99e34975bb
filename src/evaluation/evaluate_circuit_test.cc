#include "evaluation/evaluate_circuit.h"

#include <gtest/gtest.h>

#include <utility>

#include "evaluation/faithfulness.h"
#include "selection/prune.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float32 sums in another order, of metrics of size 1.
constexpr double kTolerance = 1e-5;

class EvaluateCircuit : public testing::Test {
 protected:
  EvaluateCircuit() {
    Rng rng(4);
    for (int64_t e = 0; e < graph_.n_edges(); ++e) scores_.values.push_back(static_cast<float>(rng.normal()));
    for (int64_t e = 0; e < graph_.n_edges(); e += 2) circuit_.edges.push_back(e);
  }
  CircuitEvaluation evaluate(const std::vector<Example>& examples, const EvaluationSpec& evaluation) const {
    Rng rng(1);
    return evaluate_circuit(model_, {graph_, scores_, slices_}, circuit_, pointers(examples),
                            ScoreSpec(logit_diff_metric()), evaluation, rng, {});
  }
  // Every pair also the other way round: what the ablation does to one it undoes to the other.
  std::vector<Example> mirrored() const {
    std::vector<Example> examples = examples_;
    for (Example e : examples_) {
      std::swap(e.ids, e.counterfactual_ids);
      examples.push_back(std::move(e));
    }
    return examples;
  }
  Model model_ = Model::random(tiny_architecture("gpt2"), 0.3, 3, {});
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped};
  SliceTable slices_{graph_, model_};
  // One example seven times: a random model moves the metric of different ones in different directions.
  std::vector<Example> examples_ = std::vector<Example>(7, random_examples(model_.architecture(), 1)[0]);
  EdgeScores scores_;
  Circuit circuit_;
};

TEST_F(EvaluateCircuit, SaysWhatRunsOfTheSameCircuitsSay) {
  EvaluationSpec spec;
  spec.redundancy = 2;
  const CircuitEvaluation e = evaluate(examples_, spec);
  const Circuit run = prune(graph_, circuit_);
  const auto outcomes =
      run_circuits(model_, graph_, pointers(examples_), ScoreSpec(logit_diff_metric()), {whole(graph_), {}, run}, {});
  Rng rng(2);
  EXPECT_EQ(e.examples, 7);
  EXPECT_EQ(e.edges, static_cast<int64_t>(circuit_.edges.size()));
  EXPECT_EQ(e.edges_run, static_cast<int64_t>(run.edges.size()));
  EXPECT_NEAR(e.range.value, metric_range(outcomes[0], outcomes[1], rng).value, kTolerance);
  EXPECT_NEAR(e.circuit.metric.value, mean_estimate(outcomes[2].metric, rng).value, kTolerance);
  ASSERT_TRUE(is_defined(e.range));
  EXPECT_NEAR(e.faithfulness->value, faithfulness(outcomes[2], outcomes[0], outcomes[1], rng).value, kTolerance);
  EXPECT_EQ(e.minimality->sample, 2);
  ASSERT_EQ(e.curve->by_score.size(), curve_shares().size());
  EXPECT_NEAR(e.curve->by_magnitude.back().faithfulness.value, 1, kTolerance);
}

TEST_F(EvaluateCircuit, GivesNoFaithfulnessWhereTheAblationHasNoSign) {
  const CircuitEvaluation e = evaluate(mirrored(), {});
  EXPECT_FALSE(is_defined(e.range));
  EXPECT_FALSE(e.faithfulness || e.completeness_gap || e.minimality || e.curve);
  EXPECT_NEAR(e.full.metric.value, e.empty.metric.value, kTolerance);
}

TEST_F(EvaluateCircuit, LeavesOutWhatIsNotAskedFor) {
  EvaluationSpec spec;
  spec.curve = false;
  spec.redundancy = 0;
  spec.pruning = Pruning::kKeep;
  const CircuitEvaluation e = evaluate(examples_, spec);
  EXPECT_FALSE(e.minimality || e.curve);
  EXPECT_EQ(e.edges_run, e.edges);
}

}  // namespace
}  // namespace circuit
