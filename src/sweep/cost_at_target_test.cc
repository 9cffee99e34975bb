#include "sweep/cost_at_target.h"

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
  const std::vector<std::pair<double, std::optional<double>>> along{{-3, 0}, {-1, {}}, {0, 0.2}, {2, 0.6}};
  EXPECT_DOUBLE_EQ(cost_at(along, 1).value(), 0.4);
  EXPECT_DOUBLE_EQ(cost_at(along, 2).value(), 0.6);
  EXPECT_DOUBLE_EQ(cost_at(along, 0).value(), 0.2);
  EXPECT_FALSE(cost_at(along, -0.5));
  EXPECT_FALSE(cost_at(along, -2));
}

}  // namespace
}  // namespace circuit
