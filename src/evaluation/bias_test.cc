#include "evaluation/bias.h"

#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "model/forward.h"
#include "model/head.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

constexpr double kBiasRounding = 1e-12;  // float64, a handful of operations

// The logit difference that makes p the pronoun's share.
double logit(double p) { return std::log(p / (1 - p)); }

TEST(Bias, AveragesWithinOccupationsThenOverThem) {
  // Nurse: "she" with p = 0.9, "he" with p = 0.3: |2p − 1| = 0.8, 0.4; male minus female = −0.8, −0.4.
  // Cook: "he" with p = 0.5: 0 and 0. By hand: nurse 0.6 and −0.6; mean over occupations 0.3 and −0.3 (over
  // the three choices it would be 0.4).
  const BiasResult result = bias_of({{"nurse", Gender::kFemale, logit(0.9)},
                                     {"nurse", Gender::kMale, logit(0.3)},
                                     {"cook", Gender::kMale, logit(0.5)}});
  EXPECT_NEAR(result.by_occupation.at("nurse").risk, 0.6, kBiasRounding);
  EXPECT_NEAR(result.by_occupation.at("nurse").signed_bias, -0.6, kBiasRounding);
  EXPECT_EQ(result.by_occupation.at("nurse").choices, 2);
  EXPECT_NEAR(result.by_occupation.at("cook").risk, 0, kBiasRounding);
  EXPECT_NEAR(result.risk, 0.3, kBiasRounding);
  EXPECT_NEAR(result.signed_bias, -0.3, kBiasRounding);
}

TEST(Bias, OppositeLeansCancelInTheSignedBiasOnly) {
  const BiasResult result = bias_of({{"writer", Gender::kMale, logit(0.75)}, {"writer", Gender::kMale, logit(0.25)}});
  EXPECT_NEAR(result.risk, 0.5, kBiasRounding);
  EXPECT_NEAR(result.signed_bias, 0, kBiasRounding);
}

TEST(Bias, ALargeLogitDifferenceIsCertainNotNan) {
  const BiasResult result = bias_of({{"chief", Gender::kMale, 5000.0}, {"chief", Gender::kFemale, -5000.0}});
  EXPECT_NEAR(result.risk, 1, kBiasRounding);
  EXPECT_NEAR(result.signed_bias, 1, kBiasRounding);
}

class BiasOfAModel : public testing::Test {
 protected:
  static Model make_model() {
    LoadOptions wide;
    wide.dtype = at::kDouble;
    return Model::random(tiny_architecture("gpt2"), 0.6, 3, wide);
  }
  static std::vector<Example> make_examples() {
    std::vector<Example> examples(5);
    for (int64_t i = 0; i < 5; ++i) {
      examples[i].ids = {i, 2, (3 * i) % 13, 4, 5};
      examples[i].readouts.push_back({3 + i % 3, {i + 1}, {i + 7}, ""});
      examples[i].occupation = i % 2 == 0 ? "nurse" : "cook";
      examples[i].gender = i < 2 ? Gender::kMale : Gender::kFemale;
      examples[i].place = "test:" + std::to_string(i + 1);
    }
    return examples;
  }
  Model model_ = make_model();
  std::vector<Example> examples_ = make_examples();
};

TEST_F(BiasOfAModel, IsThatOfTheSoftmaxBeforeTheReadout) {
  std::vector<PronounChoice> choices;
  double first_risk = 0;
  for (const Example& e : examples_) {
    const ExampleBatch b = make_example_batch({&e}, model_.architecture(), at::kCPU);
    const at::Tensor logits = logits_of(model_, forward(model_, b.tokens, Keep::kNothing).x_final, b.readout_rows);
    const at::Tensor probabilities = at::softmax(logits, -1);
    const double pronoun = probabilities[0][e.readouts[0].correct[0]].item<double>();
    const double opposite = probabilities[0][e.readouts[0].wrong[0]].item<double>();
    const double p = pronoun / (pronoun + opposite);
    if (&e == &examples_[0]) first_risk = std::fabs(2 * p - 1);
    choices.push_back({e.occupation, e.gender, logit(p)});
  }
  EXPECT_GT(first_risk, 1e-3) << "the test looks at nothing";
  constexpr double kSoftmax = 1e-10;  // float64, a softmax and its logarithm against the difference of logits
  const BiasResult expected = bias_of(choices);
  for (const int64_t batch : {1, 2, 8}) {
    const BiasResult found = evaluate_bias(model_, examples_, batch);
    EXPECT_NEAR(found.risk, expected.risk, kSoftmax);
    EXPECT_NEAR(found.signed_bias, expected.signed_bias, kSoftmax);
    EXPECT_NEAR(found.by_occupation.at("cook").risk, expected.by_occupation.at("cook").risk, kSoftmax);
  }
}

TEST_F(BiasOfAModel, ARecordWithoutTwoTokensToChooseFromIsRefused) {
  EXPECT_TRUE(speak_of_occupations(examples_));
  examples_[3].readouts[0].wrong.clear();
  EXPECT_THROW(evaluate_bias(model_, examples_, 2), Error);
  examples_[3].gender = Gender::kNone;
  EXPECT_FALSE(speak_of_occupations(examples_));
  EXPECT_FALSE(speak_of_occupations({}));
}

}  // namespace
}  // namespace circuit
