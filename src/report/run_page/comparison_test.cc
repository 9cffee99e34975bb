#include "report/run_page/comparison.h"

#include <gtest/gtest.h>

#include <cmath>

namespace circuit {
namespace {

TEST(ValueAtLevel, InterpolatesWhereTheMetricFirstReachesIt) {
  const EvaluationSeries series{{0, {{"m", -3.0}, {"p", 40.0}}},
                                {10, {{"m", -1.0}, {"p", 44.0}}},
                                {20, {{"m", 1.0}, {"p", 50.0}}},
                                {30, {{"m", 0.0}, {"p", 90.0}}}};
  EXPECT_DOUBLE_EQ(value_at_level(series, "m", 0.0, "p"), 47.0);
  EXPECT_DOUBLE_EQ(value_at_level(series, "m", -1.0, "p"), 44.0);
  EXPECT_DOUBLE_EQ(value_at_level(series, "m", -3.0, "p"), 40.0);
  EXPECT_TRUE(std::isnan(value_at_level(series, "m", 2.0, "p")));
  EXPECT_TRUE(std::isnan(value_at_level(series, "x", 0.0, "p")));
}

TEST(ValueAtLevel, AnInfiniteValueBeforeTheLevelIsNotMixedIn) {
  const EvaluationSeries series{{0, {{"m", -3.0}, {"p", INFINITY}}}, {10, {{"m", 1.0}, {"p", 44.0}}}};
  EXPECT_EQ(value_at_level(series, "m", 1.0, "p"), 44.0);
  EXPECT_EQ(value_at_level(series, "m", 0.0, "p"), INFINITY);
}

TEST(CommonLevel, IsTheLowestOfTheBest) {
  const EvaluationSeries good{{0, {{"m", 1.0}}}, {10, {{"m", 3.0}}}, {20, {{"m", NAN}}}};
  const EvaluationSeries less{{0, {{"m", 2.0}}}, {10, {{"m", 1.0}}}};
  EXPECT_EQ(common_level({good, less}, "m"), 2.0);
  EXPECT_EQ(common_level({good, {}}, "m"), -INFINITY);
}

}  // namespace
}  // namespace circuit
