#include "evaluation/recovery.h"

#include <gtest/gtest.h>

#include <cmath>

namespace circuit {
namespace {

constexpr double kRecoveryRounding = 1e-12;

TEST(Recovery, ComparesMembershipAndRanks) {
  const EdgeScores scores{{0.9F, -0.8F, 0.1F, 0.1F, 0.0F}};
  const Recovery r = recovery({{0, 2}}, scores, {{0, 1, 3}});
  EXPECT_NEAR(r.precision, 0.5, kRecoveryRounding);
  EXPECT_NEAR(r.recall, 1.0 / 3, kRecoveryRounding);
  // Marked 0.9, 0.8, 0.1 against 0.1, 0: of six pairs five are won and one is a tie.
  EXPECT_NEAR(r.auroc, 5.5 / 6, kRecoveryRounding);
}

TEST(Recovery, OfNothingIsNotANumber) {
  const EdgeScores scores{{1, 2}};
  EXPECT_TRUE(std::isnan(recovery({}, scores, {{0}}).precision));
  EXPECT_TRUE(std::isnan(recovery({{0}}, scores, {}).recall));
  EXPECT_TRUE(std::isnan(recovery({{0}}, scores, {}).auroc));
}

}  // namespace
}  // namespace circuit
