#include "report/sweep_page/cost_curve.h"

#include <gtest/gtest.h>

namespace circuit {
namespace {

TEST(CostAtTarget, IsOnTheLineBetweenTwoEvaluations) {
  EXPECT_DOUBLE_EQ(cost_at({{-3, 0}, {-1, 0.1}, {3, 0.5}}, 1).value(), 0.3);
  EXPECT_DOUBLE_EQ(cost_at({{-3, 0}, {1, 0.2}, {3, 0.5}}, 1).value(), 0.2);
  // Where it first gets there, whatever it does afterwards.
  EXPECT_DOUBLE_EQ(cost_at({{0, 0}, {2, 1}, {0, 5}, {2, 9}}, 1).value(), 0.5);
  // From above as well.
  EXPECT_DOUBLE_EQ(cost_at({{4, 0}, {0, 1}}, 1).value(), 0.75);
}

TEST(CostAtTarget, IsNoneWhereItIsNotReached) {
  EXPECT_FALSE(cost_at({{-3, 0}, {0.9, 0.1}}, 1));
  EXPECT_FALSE(cost_at({}, 1));
  EXPECT_FALSE(cost_at({{1, 0}, {2, 1}}, 1));  // nothing was gained there
}

// As evaluation.stop_at leaves them: general text is read at the first, at the end and before it.
TEST(CostAtTarget, IsNoneBetweenEvaluationsThatHaveNoCost) {
  const Evaluations along{{-3, 0}, {-1, {}}, {0, 0.2}, {2, 0.6}};
  EXPECT_DOUBLE_EQ(cost_at(along, 1).value(), 0.4);
  EXPECT_DOUBLE_EQ(cost_at(along, 2).value(), 0.6);
  EXPECT_DOUBLE_EQ(cost_at(along, 0).value(), 0.2);
  EXPECT_FALSE(cost_at(along, -0.5));
  EXPECT_FALSE(cost_at(along, -2));
}

TEST(CostCurve, IsTheMeanOverRunsFromTheirStartToWhatAllReached) {
  const Evaluations a{{-3, 0}, {-1, 0.2}, {1, 0.4}};
  const Evaluations b{{-3, 0}, {0, 0.6}, {3, 1.2}};
  const std::vector<CostPoint> curve = cost_curve({&a, &b});
  ASSERT_EQ(curve.size(), 24U);
  EXPECT_DOUBLE_EQ(curve.back().target, 1);
  EXPECT_DOUBLE_EQ(curve.back().cost.mean, (0.4 + 0.8) / 2);
  for (const CostPoint& p : curve) {
    // Both are straight lines.
    EXPECT_NEAR(p.cost.mean, ((p.target + 3) * 0.1 + (p.target + 3) * 0.2) / 2, 1e-12);
    EXPECT_EQ(p.cost.n, 2);
    ASSERT_TRUE(p.cost.interval);
  }
  // The other way round: less is gained.
  const Evaluations falls{{3, 0}, {1, 0.5}, {2, 0.7}};
  EXPECT_DOUBLE_EQ(cost_curve({&falls}).back().target, 1);
  EXPECT_DOUBLE_EQ(cost_curve({&falls}).back().cost.mean, 0.5);
}

TEST(CostCurve, HasNoPointWhereARunHasNoCost) {
  const Evaluations whole{{0, 0}, {1, 0.1}, {2, 0.2}};
  const Evaluations stopped{{0, 0}, {1, {}}, {1.5, 0.2}, {2.5, 0.3}};
  const std::vector<CostPoint> curve = cost_curve({&whole, &stopped});
  ASSERT_FALSE(curve.empty());
  EXPECT_GE(curve.front().target, 1.5);
  EXPECT_DOUBLE_EQ(curve.back().target, 2);
  EXPECT_TRUE(cost_curve({}).empty());
  const Evaluations elsewhere{{0.5, 0}, {2, 0.1}};
  EXPECT_TRUE(cost_curve({&whole, &elsewhere}).empty());
  const Evaluations stays{{0, 0}, {0, 0.1}};
  EXPECT_TRUE(cost_curve({&whole, &stays}).empty());
}

}  // namespace
}  // namespace circuit
