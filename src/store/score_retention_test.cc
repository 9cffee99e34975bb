#include "store/score_retention.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace circuit {
namespace {

std::vector<int64_t> kept(const ScoreRetention& retention, int64_t steps) {
  std::vector<int64_t> list;
  for (int64_t s = 0; s < steps; s += retention.discovery_every) {
    if (retention.keeps(s)) list.push_back(s);
  }
  return list;
}

TEST(ScoreRetention, EveryNthAndTheLastBeforeAnEvaluation) {
  // Discoveries 0, 3, 6, …; every fourth of them; evaluations after 10, 20, … updates.
  EXPECT_EQ(kept({ScoreRetention::Keep::kEvery, 4, 3, 10}, 33), (std::vector<int64_t>{0, 9, 12, 18, 24, 27}));
  // Where evaluations are the more frequent, every discovery has one after it.
  EXPECT_EQ(kept({ScoreRetention::Keep::kEvery, 100, 10, 5}, 40), (std::vector<int64_t>{0, 10, 20, 30}));
}

TEST(ScoreRetention, AllAndLast) {
  EXPECT_EQ(kept({ScoreRetention::Keep::kAll, 1, 2, 10}, 6), (std::vector<int64_t>{0, 2, 4}));
  EXPECT_TRUE(kept({ScoreRetention::Keep::kLast, 1, 2, 10}, 40).empty());
}

}  // namespace
}  // namespace circuit
