#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/progress.h"
#include "core/rng.h"
#include "core/table.h"

namespace circuit {
namespace {

TEST(Rng, IsAPureFunctionOfSeedAndCounter) {
  Rng a(7);
  for (int i = 0; i < 10; ++i) a.next();
  Rng b(7, a.counter());
  EXPECT_EQ(a.next(), b.next());
}

TEST(Rng, SplitsAreIndependentOfEachOther) {
  const Rng root(7);
  EXPECT_NE(root.split("data").next(), root.split("random").next());
  EXPECT_EQ(root.split("data").next(), root.split("data").next());
}

TEST(Rng, BelowIsUniform) {
  Rng rng(1);
  std::vector<int> counts(10);
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) ++counts[rng.below(10)];
  constexpr double kSixSigma = 6 * 95;  // standard deviation of a count is sqrt(1e5*.1*.9) = 95
  for (const int c : counts) EXPECT_NEAR(c, kDraws / 10, kSixSigma);
}

TEST(Rng, NormalHasMeanZeroAndVarianceOne) {
  Rng rng(1);
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
  }
  constexpr double kSixSigma = 6 * 0.0045;
  EXPECT_NEAR(sum / kDraws, 0, kSixSigma);
  EXPECT_NEAR(squares / kDraws, 1, kSixSigma);
}

TEST(Rng, PermutationHoldsEveryIndexOnce) {
  Rng rng(3);
  const std::vector<int64_t> order = permutation(100, rng);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 100u);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
}

TEST(ParseBytes, ReadsUnits) {
  EXPECT_EQ(parse_bytes("16GiB"), int64_t{16} << 30);
  EXPECT_EQ(parse_bytes("500MB"), 500000000);
  EXPECT_EQ(parse_bytes("2g"), int64_t{2} << 30);
  EXPECT_THROW(parse_bytes("many"), Error);
  EXPECT_THROW(parse_bytes("-1"), Error);
}

TEST(FormatTable, AlignsTheFirstColumnLeftAndTheOthersRight) {
  EXPECT_EQ(format_table({{"", "before"}, {"long name", "1"}}), "           before\nlong name       1\n");
}

TEST(FormatDuration, PicksTheUnit) {
  EXPECT_EQ(format_duration(5), "5 s");
  EXPECT_EQ(format_duration(185), "3 min 05 s");
  EXPECT_EQ(format_duration(4800), "1 h 20 min");
}

}  // namespace
}  // namespace circuit
