#include "scoring/memory.h"

#include <gtest/gtest.h>

namespace circuit {
namespace {

ScorePlan some_plan() {
  ScorePlan plan;
  plan.weights = 1000;
  plan.fixed = 100;
  plan.per_token = 7;
  plan.tokens = 10;
  plan.tile = {3, 25};
  return plan;
}

TEST(ScorePlan, TilesGrowWithTheBatchUntilEveryThreadHasAFullOne) {
  const ScorePlan plan = some_plan();
  EXPECT_EQ(plan.tiles(0), 0);
  EXPECT_EQ(plan.tiles(1), 3 * 10);
  EXPECT_EQ(plan.tiles(2), 3 * 20);
  EXPECT_GE(plan.tiles(3), 3 * 25);
  EXPECT_EQ(plan.tiles(1000), plan.tiles(2000));
}

TEST(ScorePlan, TheFittingBatchIsTheLargestThatStaysInside) {
  const ScorePlan plan = some_plan();
  for (int64_t limit = 1000; limit < 3000; limit += 7) {
    const int64_t batch = plan.fitting_batch(12, limit);
    EXPECT_TRUE(batch == 0 || plan.total(batch) <= limit) << limit;
    EXPECT_TRUE(batch == 12 || plan.total(batch + 1) > limit) << limit;
  }
}

}  // namespace
}  // namespace circuit
