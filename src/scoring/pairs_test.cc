// Scores between a text and its counterfactual.
#include "scoring/channels.h"
#include "scoring/edge_accumulator.h"
#include "scoring/exact.h"
#include "scoring/gradient_methods.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "io/json.h"
#include "model/checkpoint.h"
#include "scoring/testing.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float32 sums in another order.
constexpr double kPairInvariance = 1e-5;  // of the largest score
constexpr double kPairSumRule = 1e-4;

class Pairs : public testing::TestWithParam<const char*> {
 protected:
  ScoreResult score(const std::string& method, const std::vector<Example>& examples, const ScoreSpec& spec) const {
    return find_scorer(method).score(model_, graph_, pointers(examples), spec, {});
  }
  // Equal lengths; each record's counterfactual is the other record.
  std::vector<Example> mirrored() const {
    std::vector<Example> examples = random_examples(model_.architecture(), 2);
    for (Example& e : examples) {
      e.ids.resize(4);
      e.readouts = {{4, {1, 2}, {3}, ""}};
      e.first_target = 1;
    }
    examples[0].counterfactual_ids = examples[1].ids;
    examples[1].counterfactual_ids = examples[0].ids;
    return examples;
  }
  Model model_ = Model::random(tiny_architecture(GetParam()), 0.3, 3, {});
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped};
  ScoreSpec spec_{logit_diff_metric()};
};

// Gradients at both ends: exchanging them exchanges A and Ā and nothing else.
TEST_P(Pairs, CleanCorruptedChangesSignWithTheSides) {
  if (model_.norms_outputs()) GTEST_SKIP() << "post-norms are held at the clean side's scale";
  std::vector<Example> examples = random_examples(model_.architecture(), 5);
  const EdgeScores forth = score("clean-corrupted", examples, spec_).scores;
  for (Example& e : examples) std::swap(e.ids, e.counterfactual_ids);
  EdgeScores back = score("clean-corrupted", examples, spec_).scores;
  for (float& s : back.values) s = -s;
  EXPECT_LT(largest_difference(forth, back), kPairInvariance * largest(forth));
}

// Of two records the mean at a position is half way to the other one.
TEST_P(Pairs, MeanPositionalOfTwoIsHalfTheCounterfactual) {
  const std::vector<Example> examples = mirrored();
  const EdgeScores whole = score("eap", examples, spec_).scores;
  ScoreSpec spec = spec_;
  spec.ablation = find_ablation("mean-positional");
  EdgeScores half = score("eap", examples, spec).scores;
  for (float& s : half.values) s *= 2;
  EXPECT_LT(largest_difference(whole, half), kPairInvariance * largest(whole));
}

TEST_P(Pairs, AReferenceSetOfTheSameRecordsChangesNothing) {
  const std::vector<Example> examples = random_examples(model_.architecture(), 5);
  ScoreSpec spec = spec_;
  spec.ablation = find_ablation("mean");
  const EdgeScores own = score("eap", examples, spec).scores;
  const std::vector<const Example*> reference = pointers(examples);
  spec.ablation_reference = &reference;
  EXPECT_LT(largest_difference(own, score("eap", examples, spec).scores), kPairInvariance * largest(own));
}

TEST_P(Pairs, OneStepOfIntegratedGradientsIsTheGradientAtTheCorruptedInput) {
  if (model_.norms_outputs()) GTEST_SKIP() << "post-norms are held at the clean side's scale";
  const std::vector<Example> examples = mirrored();
  ScoreSpec spec = spec_;
  kIgSteps.set(&spec.own, 1);
  EdgeScores ig = score("eap-ig-inputs", examples, spec).scores;
  std::vector<Example> swapped = examples;
  for (Example& e : swapped) std::swap(e.ids, e.counterfactual_ids);
  // eap on the exchanged pairs takes that gradient with −(A − Ā).
  const EdgeScores eap = score("eap", swapped, spec).scores;
  for (float& s : ig.values) s = -s;
  EXPECT_LT(largest_difference(ig, eap), kPairInvariance * largest(eap));
}

TEST_P(Pairs, GradientsContractedInSeveralRoundsKeepTheSumRule) {
  ScoreSpec spec = spec_;
  kIgSteps.set(&spec.own, kRunsAtOnce + 2);
  const std::vector<Example> examples = random_examples(model_.architecture(), 5);
  EXPECT_LT(score("eap-ig-inputs", examples, spec).sum_rule_error, kPairSumRule);
}

// At α = 1 every block has its own output; holding it cuts no path above it.
TEST_P(Pairs, OneStepOfOwnActivationsIsTheGradientAtTheCleanInput) {
  const std::vector<Example> examples = random_examples(model_.architecture(), 5);
  ScoreSpec spec = spec_;
  kIgSteps.set(&spec.own, 1);
  const EdgeScores eap = score("eap", examples, spec).scores;
  EXPECT_LT(largest_difference(eap, score("eap-ig-activations-own", examples, spec).scores),
            kPairInvariance * largest(eap));
}

TEST_P(Pairs, AnMlpsChannelsAddUpToItsNodeScore) {
  const std::vector<Example> examples = random_examples(model_.architecture(), 5);
  for (const Ablation* ablation : {find_ablation("counterfactual"), find_ablation("mean"), find_ablation("zero")}) {
    ScoreSpec spec = spec_;
    spec.ablation = ablation;
    spec.batch = 2;
    const EdgeScores eap = score("eap", examples, spec).scores;
    const std::vector<double> nodes = node_scores(graph_, eap);
    const ChannelScores channels = score_channels(model_, pointers(examples), spec, {});
    ASSERT_EQ(static_cast<int64_t>(channels.values.size()), graph_.n_layers() * model_.architecture().d_mlp);
    for (int64_t l = 0; l < graph_.n_layers(); ++l) {
      double sum = 0;
      for (int64_t c = 0; c < channels.channels; ++c) sum += channels.values[l * channels.channels + c];
      EXPECT_NEAR(sum, nodes[graph_.mlp(l)], kPairSumRule * largest(eap)) << ablation->name;
    }
  }
}

TEST_P(Pairs, MethodsAtTheCleanInputRefuseAMetricThatIsFlatThere) {
  EXPECT_THROW(score("eap", random_examples(model_.architecture(), 2), ScoreSpec(kl_metric())), Error);
  EXPECT_THROW(score("relp", random_examples(model_.architecture(), 2), ScoreSpec(kl_metric())), Error);
}

TEST_P(Pairs, TellHowFarTheCounterfactualMovesTheMetric) {
  std::vector<Example> examples = random_examples(model_.architecture(), 3);
  EXPECT_GT(*score("eap", examples, spec_).metric_shift, 0);
  for (Example& e : examples) e.counterfactual_ids = e.ids;
  EXPECT_EQ(*score("eap", examples, spec_).metric_shift, 0);
}

TEST_P(Pairs, MethodsThatNeedPairsRefuseRecordsWithout) {
  std::vector<Example> examples = random_examples(model_.architecture(), 2);
  examples[1].counterfactual_ids.clear();
  ScoreSpec spec = spec_;
  spec.ablation = find_ablation("mean");
  EXPECT_THROW(score("eap-ig-inputs", examples, spec), Error);
  EXPECT_THROW(score("clean-corrupted", examples, spec), Error);
}

INSTANTIATE_TEST_SUITE_P(Families, Pairs, testing::Values("gpt2", "llama", "gemma2"));

}  // namespace
}  // namespace circuit
