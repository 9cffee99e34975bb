#include "graph/overlap.h"

#include <gtest/gtest.h>

#include <cmath>

namespace circuit {
namespace {

TEST(Jaccard, CountsSharedOverAll) {
  EXPECT_DOUBLE_EQ(jaccard_edges({{1, 2, 3}}, {{2, 3, 4}}), 0.5);
  EXPECT_DOUBLE_EQ(jaccard_edges({{}}, {{}}), 1);
  EXPECT_DOUBLE_EQ(jaccard_edges({{1}}, {{2}}), 0);
  EXPECT_EQ(entered({{1, 2}}, {{2, 3, 4}}), 2);
}

TEST(RankCorrelation, SeesOrderOnlyAndSharesTies) {
  EXPECT_NEAR(rank_correlation({1, 2, 3, 4}, {1, 4, 9, 100}), 1, 1e-12);
  EXPECT_NEAR(rank_correlation({1, 2, 3}, {3, 2, 1}), -1, 1e-12);
  // Ranks 0, 1.5, 1.5, 3 against 0 … 3: 4.5 / √(4.5 · 5)
  EXPECT_NEAR(rank_correlation({1, 2, 2, 3}, {1, 2, 3, 4}), 4.5 / std::sqrt(22.5), 1e-12);
  EXPECT_TRUE(std::isnan(rank_correlation({1, 1}, {1, 2})));
}

TEST(Ranks, TellZeroAndSignsAsNumbersDo) {
  EXPECT_EQ(ranks_of({-1, 0.0F, 2, -0.0F, -3}), (std::vector<double>{1, 2.5, 4, 2.5, 0}));
}

}  // namespace
}  // namespace circuit
