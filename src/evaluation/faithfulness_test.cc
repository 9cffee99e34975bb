#include "evaluation/faithfulness.h"

#include <gtest/gtest.h>

#include <limits>

namespace circuit {
namespace {

constexpr double kRounding = 1e-12;

TEST(Faithfulness, IsTheShareOfTheRange) {
  Rng rng(1);
  const CircuitOutcome full{{3, 5, 4}, {}, {}};
  const CircuitOutcome empty{{1, 1, 1}, {}, {}};
  const CircuitOutcome half{{2, 3, 2.5}, {}, {}};
  const Estimate f = faithfulness(half, full, empty, rng);
  EXPECT_NEAR(f.value, 0.5, kRounding);
  EXPECT_NEAR(f.interval.low, 0.5, kRounding);  // every example has the same share
  EXPECT_NEAR(f.interval.high, 0.5, kRounding);
}

// The ratio of means, not the mean of ratios: (1 + 1)/2 of (2 + 10)/2.
TEST(Faithfulness, DividesMeansAndNotExamples) {
  Rng rng(1);
  EXPECT_NEAR(faithfulness({{1, 1}, {}, {}}, {{2, 10}, {}, {}}, {{0, 0}, {}, {}}, rng).value, 2.0 / 12, kRounding);
}

TEST(MetricRange, PairsTheExamples) {
  Rng rng(1);
  const MetricRange range = metric_range({{11, 1, 101}, {}, {}}, {{10, 0, 100}, {}, {}}, rng);
  EXPECT_NEAR(range.value, 1, kRounding);
  EXPECT_NEAR(range.interval.low, 1, kRounding);
  EXPECT_TRUE(is_defined(range));
}

TEST(MetricRange, IsNoUnitWhenItsSignIsUncertain) {
  Rng rng(1);
  EXPECT_FALSE(is_defined(metric_range({{3, -3, 3, -3}, {}, {}}, {{0, 0, 0, 0}, {}, {}}, rng)));
  EXPECT_FALSE(is_defined(metric_range({{2, 2}, {}, {}}, {{2, 2}, {}, {}}, rng)));
  EXPECT_TRUE(is_defined(metric_range({{-2, -3}, {}, {}}, {{0, 0}, {}, {}}, rng)));
}

// What two equal runs differ by is the same in every resample: the interval alone would call it certain.
TEST(MetricRange, IsNoUnitWhenItIsRounding) {
  Rng rng(1);
  const CircuitOutcome full{{2 + 2e-7, 2 + 2e-7}, {}, {}, {1e-5, 1e-5}};
  const CircuitOutcome empty{{2, 2}, {}, {}, {1e-5, 1e-5}};
  EXPECT_FALSE(is_defined(metric_range(full, empty, rng)));
  const CircuitOutcome moved{{2 + 2e-5, 2 + 2e-5}, {}, {}, {1e-5, 1e-5}};
  EXPECT_TRUE(is_defined(metric_range(moved, empty, rng)));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(is_defined(metric_range({{nan, nan}, {}, {}}, empty, rng)));
}

TEST(Bootstrap, CoversTheMeanAsOftenAsItSays) {
  Rng rng(9);
  int covered = 0;
  constexpr int kTrials = 200;
  for (int t = 0; t < kTrials; ++t) {
    std::vector<double> values(40);
    for (double& v : values) v = rng.normal();
    covered += mean_estimate(values, rng).interval.contains(0);
  }
  // Binomial(200, 0.95) lies below 180 with probability 1e-3; percentile intervals of 40 cover a little less.
  EXPECT_GT(covered, 176);
  EXPECT_LT(covered, 200);
}

}  // namespace
}  // namespace circuit
