#include "dynamics/change_points.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "core/rng.h"

namespace circuit {
namespace {

constexpr int64_t kSeriesPoints = 60;

std::vector<double> autocorrelated(double persistence, Rng& rng) {
  std::vector<double> series;
  double value = rng.normal();
  for (int64_t t = 0; t < kSeriesPoints; ++t) {
    series.push_back(value);
    value = persistence * value + rng.normal();
  }
  return series;
}

TEST(LargestStep, OfALineWithAJumpIsTheJump) {
  std::vector<double> series;
  for (int64_t t = 0; t < 30; ++t) series.push_back(0.25 * static_cast<double>(t) + (t >= 18 ? 3 : 0));
  const ChangePoint found = largest_step(series);
  EXPECT_EQ(found.at, 18);
  EXPECT_NEAR(found.size, 3, 1e-9);
  EXPECT_NEAR(found.measured.statistic, 1, 1e-9);  // nothing is left over
}

TEST(LargestStep, OfALineIsNone) {
  std::vector<double> series;
  for (int64_t t = 0; t < 30; ++t) series.push_back(7 - 0.1 * static_cast<double>(t));
  EXPECT_EQ(largest_step(series).measured.statistic, 0);
  EXPECT_EQ(largest_step(std::vector<double>(30, 2.0)).measured.statistic, 0);
}

TEST(ChangePoints, PlantedJumpsAreFoundWhereTheyAre) {
  StepNulls nulls(0);
  Rng rng(3);
  int64_t found = 0;
  constexpr int64_t kTrials = 40;
  for (int64_t trial = 0; trial < kTrials; ++trial) {
    std::vector<double> series = autocorrelated(0.3, rng);
    for (int64_t t = 35; t < kSeriesPoints; ++t) series[t] += 8;
    for (const ChangePoint& c : change_points(series, 0.05, nulls)) found += std::abs(c.at - 35) <= 1;
  }
  EXPECT_GE(found, kTrials * 9 / 10);
}

TEST(ChangePoints, SeveralJumpsAreFoundInOrder) {
  StepNulls nulls(0);
  Rng rng(5);
  std::vector<double> series = autocorrelated(0, rng);
  for (int64_t t = 20; t < kSeriesPoints; ++t) series[t] += 12;
  for (int64_t t = 42; t < kSeriesPoints; ++t) series[t] -= 12;
  const std::vector<ChangePoint> found = change_points(series, 0.01, nulls);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NEAR(static_cast<double>(found[0].at), 20, 1);
  EXPECT_NEAR(static_cast<double>(found[1].at), 42, 1);
}

class Wandering : public testing::TestWithParam<double> {};

TEST_P(Wandering, KeepsTheFalsePositiveRate) {
  StepNulls nulls(0);
  Rng rng(11);
  constexpr int64_t kTrials = 1500;
  int64_t below = 0;
  for (int64_t trial = 0; trial < kTrials; ++trial) {
    const std::vector<double> series = autocorrelated(GetParam(), rng);
    below += nulls.of_length(kSeriesPoints).p_of(largest_step(series).measured) <= 0.05;
  }
  // Three standard deviations of 1,500 draws above the rate; below it is the bound's caution.
  EXPECT_LE(static_cast<double>(below) / kTrials, 0.05 + 3 * std::sqrt(0.05 * 0.95 / kTrials));
}

INSTANTIATE_TEST_SUITE_P(Persistence, Wandering, testing::Values(0.0, 0.5, 0.9, 1.0));

}  // namespace
}  // namespace circuit
