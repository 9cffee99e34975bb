#include "evaluation/size_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace circuit {
namespace {

struct Measured {
  int passes = 0;
  std::vector<int64_t> sizes;
};

MeasureSizes measuring(const std::function<double(int64_t)>& f, Measured* seen) {
  return [f, seen](const std::vector<int64_t>& sizes) {
    ++seen->passes;
    EXPECT_TRUE(std::is_sorted(sizes.begin(), sizes.end()));
    std::vector<double> values;
    for (const int64_t n : sizes) {
      values.push_back(f(n));
      seen->sizes.push_back(n);
    }
    return values;
  };
}

TEST(SmallestReaching, FindsTheStepOfARisingFunctionWithinTwoPerCent) {
  for (const int64_t step : {1, 2, 3, 7, 40, 41, 999, 12345, 30000}) {
    Measured seen;
    const SizeFound found =
        smallest_reaching(32491, 0.9, measuring([&](int64_t n) { return n >= step ? 0.95 : 0.1; }, &seen));
    EXPECT_TRUE(found.reached);
    EXPECT_GE(found.size, step);
    EXPECT_LE(static_cast<double>(found.size), std::max(static_cast<double>(step) * 1.02 + 1, step + 1.0)) << step;
    EXPECT_LT(found.below, step);
    EXPECT_LE(seen.passes, 3);
    EXPECT_LE(seen.sizes.size(), 40U);
  }
}

// Reaches 0.9 between 500 and 800, falls again, and stays above from 5,000 on.
double uneven(int64_t n) {
  if (n >= 5000) return 0.97;
  if (n >= 500 && n <= 800) return 0.91;
  return std::min(0.85, static_cast<double>(n) / 500);
}

TEST(SmallestReaching, OfANonMonotonicFunctionReachesTheTargetAndNoSmallerSizeTriedDid) {
  Measured seen;
  const SizeFound found = smallest_reaching(32491, 0.9, measuring(uneven, &seen));
  ASSERT_TRUE(found.reached);
  EXPECT_GE(found.value, 0.9);
  EXPECT_EQ(found.value, uneven(found.size));
  EXPECT_LE(found.size, 510) << "the grid's ratio of 1.5 cannot step over 500 to 800";
  for (const int64_t n : seen.sizes) {
    if (n < found.size) {
      EXPECT_LT(uneven(n), 0.9) << n;
      EXPECT_LE(n, found.below);
    }
  }
  EXPECT_EQ(found.below_value, uneven(found.below));
}

TEST(SmallestReaching, OfATargetOutOfReachGivesTheBest) {
  Measured seen;
  const auto hill = [](int64_t n) { return n == 1 ? std::nan("") : n < 50 ? 0.1 : n < 100 ? 0.6 : 0.5; };
  const SizeFound found = smallest_reaching(400, 0.9, measuring(hill, &seen));
  EXPECT_FALSE(found.reached);
  EXPECT_EQ(found.value, 0.6);
  EXPECT_EQ(seen.passes, 1);
}

TEST(SmallestReaching, OfOneEdgeNeedsNoSmaller) {
  Measured seen;
  const SizeFound found = smallest_reaching(1, 0.9, measuring([](int64_t) { return 1.0; }, &seen));
  EXPECT_TRUE(found.reached);
  EXPECT_EQ(found.size, 1);
  EXPECT_EQ(found.below, 0);
  EXPECT_FALSE(smallest_reaching(0, 0.9, measuring([](int64_t) { return 1.0; }, &seen)).reached);
}

}  // namespace
}  // namespace circuit
