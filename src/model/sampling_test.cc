// Held against transformers' processors: the numbers were made with transformers 5.24.0, in float64
// (RepetitionPenaltyLogitsProcessor, then TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper,
// MinPLogitsWarper, soft-max).
#include "model/sampling.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <map>

namespace circuit {
namespace {

constexpr double kRounding = 1e-12;  // of float64 soft-max

const std::vector<double> kLogits{1.5, -0.5, 3.25, 0.0, 2.0, -4.0, 0.75, 2.5};

std::map<int64_t, double> chosen_among(const at::Tensor& logits, const SamplingSpec& spec) {
  const NextTokens next = next_tokens(logits, spec);
  std::map<int64_t, double> found;
  for (int64_t i = 0; i < next.probabilities.size(0); ++i) {
    found[next.ids.defined() ? next.ids[i].item<int64_t>() : i] = next.probabilities[i].item<double>();
  }
  return found;
}

void expect_equal(const std::map<int64_t, double>& found, const std::map<int64_t, double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [id, probability] : expected) {
    ASSERT_EQ(found.count(id), 1u) << id;
    EXPECT_NEAR(found.at(id), probability, kRounding) << id;
  }
}

TEST(Sampling, TopKThenTopP) {
  SamplingSpec spec;
  spec.temperature = 0.7;
  spec.top_k = 5;
  spec.top_p = 0.8;
  const at::Tensor logits = at::tensor(kLogits, at::kDouble);
  expect_equal(chosen_among(logits, spec), {{2, 0.7448684956686834}, {7, 0.2551315043313166}});
}

TEST(Sampling, ATemperatureNearZeroLeavesTheLikeliest) {
  SamplingSpec spec;
  spec.temperature = 1e-320;
  const std::map<int64_t, double> found = chosen_among(at::tensor(kLogits, at::kDouble), spec);
  EXPECT_EQ(found.at(2), 1);
  EXPECT_EQ(found.at(7), 0);
}

TEST(Sampling, TopPAlone) {
  SamplingSpec spec;
  spec.temperature = 1.0;
  spec.top_p = 0.9;
  const at::Tensor logits = at::tensor(kLogits, at::kDouble);
  expect_equal(chosen_among(logits, spec),
               {{0, 0.08991507343598254}, {2, 0.5174255222079569}, {4, 0.14824489413046846}, {7, 0.24441451022559194}});
}

TEST(Sampling, MinP) {
  SamplingSpec spec;
  spec.temperature = 1.3;
  spec.min_p = 0.2;
  const at::Tensor logits = at::tensor(kLogits, at::kDouble);
  expect_equal(chosen_among(logits, spec),
               {{0, 0.11806692563024447}, {2, 0.453686066873503}, {4, 0.1734461219173424}, {7, 0.2548008855789102}});
}

TEST(Sampling, AllThree) {
  SamplingSpec spec;
  spec.temperature = 0.9;
  spec.top_k = 6;
  spec.top_p = 0.95;
  spec.min_p = 0.1;
  const at::Tensor logits = at::tensor(kLogits, at::kDouble);
  expect_equal(chosen_among(logits, spec),
               {{0, 0.07830615419602327}, {2, 0.5473402520309048}, {4, 0.1364805007966281}, {7, 0.23787309297644385}});
}

TEST(Sampling, RepetitionPenalty) {
  SamplingSpec spec;
  spec.temperature = 1.1;
  const std::vector<int64_t> sequence{2, 2, 5, 7, 1};
  const at::Tensor logits = penalised(at::tensor(kLogits, at::kDouble), 1.4, {&sequence}, {});
  expect_equal(chosen_among(logits, spec), {{0, 0.14533779619142478},
                                            {1, 0.019669331812551566},
                                            {2, 0.30668277546998346},
                                            {3, 0.0371671125236545},
                                            {4, 0.22897346340087452},
                                            {5, 0.00022866784369192242},
                                            {6, 0.07349684500022194},
                                            {7, 0.18844400775759723}});
}

TEST(Sampling, PenaltyThenTopP) {
  SamplingSpec spec;
  spec.temperature = 0.8;
  spec.top_p = 0.75;
  const std::vector<int64_t> sequence{2, 4};
  const at::Tensor logits = penalised(at::tensor(kLogits, at::kDouble), 1.8, {&sequence}, {});
  expect_equal(chosen_among(logits, spec),
               {{0, 0.16791275719547477}, {2, 0.24601413325929974}, {7, 0.5860731095452255}});
}

TEST(Sampling, TheLikeliestTokenIsAlwaysKept) {
  SamplingSpec spec;
  spec.temperature = 1;
  spec.top_p = 0;
  const at::Tensor logits = at::tensor(kLogits, at::kDouble);
  expect_equal(chosen_among(logits, spec), {{2, 1.0}});
  spec.top_p = 1;
  spec.min_p = 1;
  expect_equal(chosen_among(logits, spec), {{2, 1.0}});
}

TEST(Sampling, ForbiddenTokensCannotFollow) {
  const at::Tensor changed = penalised(at::tensor(kLogits, at::kFloat), 1, {}, {2, 7, 99, -1});
  EXPECT_EQ(changed.argmax(-1).item<int64_t>(), 4);
}

}  // namespace
}  // namespace circuit
