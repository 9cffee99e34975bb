#include "evaluation/t_interval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace circuit {
namespace {

// Printed tables have four significant digits or more.
constexpr double kTable = 5e-4;
constexpr double kExact = 1e-12;

TEST(TQuantile, IsThatOfThePrintedTables) {
  // Two-sided 95 %.
  const std::map<int64_t, double> table{{1, 12.7062}, {2, 4.30265},  {3, 3.18245},  {4, 2.77645},  {5, 2.57058},
                                        {9, 2.26216}, {10, 2.22814}, {30, 2.04227}, {120, 1.97993}};
  for (const auto& [degrees, t] : table) EXPECT_NEAR(t_quantile(degrees, 0.95), t, kTable) << degrees;
  EXPECT_NEAR(t_quantile(3, 0.99), 5.84091, kTable);
  EXPECT_NEAR(t_quantile(2, 0.5), std::sqrt(2.0 / 3), kTable) << "closed form: t = 2p' / sqrt(2 · 4 a b), a = 3/4";
}

TEST(ReplicateMean, IsThatComputedByHand) {
  // 1, 2, 6: mean 3, s² = (4 + 1 + 9) / 2 = 7; half width 4.30265 · sqrt(7 / 3) = 6.57237.
  const ReplicateMean r = replicate_mean({1, 2, 6});
  EXPECT_NEAR(r.mean, 3, kExact);
  ASSERT_TRUE(r.interval);
  EXPECT_NEAR(r.interval->low, 3 - 6.57237, kTable);
  EXPECT_NEAR(r.interval->high, 3 + 6.57237, kTable);
  EXPECT_EQ(r.n, 3);
}

TEST(ReplicateMean, OneValueHasNoIntervalAndEqualValuesAnEmptyOne) {
  EXPECT_FALSE(replicate_mean({2.5}).interval);
  EXPECT_EQ(replicate_mean({2.5}).mean, 2.5);
  const ReplicateMean same = replicate_mean({2, 2, 2});
  EXPECT_NEAR(same.interval->low, 2, kExact);
  EXPECT_NEAR(same.interval->high, 2, kExact);
}

}  // namespace
}  // namespace circuit
