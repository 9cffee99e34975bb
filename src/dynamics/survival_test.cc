#include "dynamics/survival.h"

#include <gtest/gtest.h>

#include <cmath>

namespace circuit {
namespace {

TEST(Retention, IsTheShareStillOrAgainThere) {
  const std::vector<Circuit> circuits{{{1, 2}}, {{1, 3}}, {{1, 2}}};
  EXPECT_DOUBLE_EQ(retention(circuits, 0), 1);
  EXPECT_DOUBLE_EQ(retention(circuits, 1), 0.5);  // of four edges 1 and 1
  EXPECT_DOUBLE_EQ(retention(circuits, 2), 1);    // 2 came back
}

TEST(HalfLife, IsWhereTheCurvePassesOneHalf) {
  EXPECT_DOUBLE_EQ(*half_life({0, 10, 20}, {1, 0.6, 0.4}), 15);
  EXPECT_FALSE(half_life({0, 10}, {1, 0.7}).has_value());
  EXPECT_FALSE(half_life({0, 10}, {std::nan(""), std::nan("")}).has_value());
}

TEST(Stays, AreCountedFromEntryToExit) {
  // Edge 1: three discoveries and still there. Edge 2: one, then gone, then one and still there. Edge 3: one, gone.
  const Stays s = stays({{{1, 2}}, {{1, 3}}, {{1, 2}}});
  EXPECT_EQ(s.count, 4);
  EXPECT_EQ(s.censored, 2);
  // At length 1 two of four end: survival 0.5.
  EXPECT_DOUBLE_EQ(*s.median, 1);
}

TEST(Stays, HaveNoMedianWhereMostOutlastTheRun) { EXPECT_FALSE(stays({{{1, 2, 3}}, {{1, 2}}}).median.has_value()); }

// Kaplan and Meier's estimate for five stays: ends at 2, 3, 5; cut off at 3 and 4. S = 4/5, 4/5 · 3/4 = 0.6, then
// 0.6 · (1 − 1/1) = 0.
TEST(Stays, CutOffOnesCountUntilTheyAreCut) {
  std::vector<Circuit> circuits;
  // Of six discoveries: a from 0, gone at 2; b from 0, gone at 3; c from 0, gone at 5; d from 3 and e from 2 to the
  // end.
  const auto in = [](int64_t i, int64_t from, int64_t to) { return i >= from && i < to; };
  for (int64_t i = 0; i < 6; ++i) {
    Circuit c;
    if (in(i, 0, 2)) c.edges.push_back(0);
    if (in(i, 0, 3)) c.edges.push_back(1);
    if (in(i, 0, 5)) c.edges.push_back(2);
    if (in(i, 3, 6)) c.edges.push_back(3);
    if (in(i, 2, 6)) c.edges.push_back(4);
    circuits.push_back(c);
  }
  const Stays s = stays(circuits);
  EXPECT_EQ(s.count, 5);
  EXPECT_EQ(s.censored, 2);
  EXPECT_DOUBLE_EQ(*s.median, 5);
}

}  // namespace
}  // namespace circuit
