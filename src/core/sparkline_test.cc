#include "core/sparkline.h"

#include <gtest/gtest.h>

#include <limits>

namespace circuit {
namespace {

TEST(Sparkline, RisesWithTheValues) {
  EXPECT_EQ(sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 20), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(sparkline({7, 0}, 20), "█▁");
}

TEST(Sparkline, IsNoLongerThanAskedAndShowsMeans) { EXPECT_EQ(sparkline({0, 2, 8, 10, 4, 6}, 3), "▁█▅"); }

TEST(Sparkline, OfWhatCannotBeDrawn) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(sparkline({}, 5), "");
  EXPECT_EQ(sparkline({3, 3}, 5), "▅▅");
  EXPECT_EQ(sparkline({1, inf, 2, -inf, std::numeric_limits<double>::quiet_NaN()}, 5), "▁█");
}

}  // namespace
}  // namespace circuit
