#include "run/run_observer.h"

#include <gtest/gtest.h>

namespace circuit {
namespace {

// Ctrl-C saves between evaluations.
TEST(RunObserver, TheEvaluationBeforeIsNoCheckpointBetweenTwo) {
  EXPECT_EQ(last_evaluated_before(40, 10, {20, 30, 35, 40}), 30);
  EXPECT_EQ(last_evaluated_before(30, 10, {20, 25, 30}), 20);
  EXPECT_EQ(last_evaluated_before(10, 10, {5, 10}), 0);
}

}  // namespace
}  // namespace circuit
