#include "evaluation/minimality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace circuit {
namespace {

TEST(Minimality, CountsEdgesWhoseLossMovesTheMetricByAHundredthOfItsRange) {
  Rng rng(1);
  const CircuitOutcome full{{11, 9}, {}, {}};  // mean 10
  const CircuitOutcome empty{{0, 0}, {}, {}};  // so the bound is 0.1
  const CircuitOutcome circuit{{8, 8}, {}, {}};
  const std::vector<CircuitOutcome> without{
      {{7, 8}, {}, {}},      // −0.5: needed
      {{8.5, 8.5}, {}, {}},  // +0.5: it matters, too
      {{9, 7}, {}, {}},      // examples move, their mean does not
      {{8.05, 8.1}, {}, {}}  // +0.075
  };
  const Minimality m = minimality(circuit, without, full, empty, rng);
  EXPECT_EQ(m.sample, 4);
  EXPECT_DOUBLE_EQ(m.share.value, 0.5);
  EXPECT_LE(m.share.interval.low, 0.25);
  EXPECT_GE(m.share.interval.high, 0.75);
}

TEST(Minimality, TakesOutADifferentEdgeEachTime) {
  Rng rng(1);
  const Circuit circuit{{2, 3, 5, 7, 11}};
  const auto without = without_sampled_edges(circuit, 3, rng);
  ASSERT_EQ(without.size(), 3U);
  std::set<std::vector<int64_t>> distinct;
  for (const Circuit& c : without) {
    EXPECT_EQ(c.edges.size(), 4U);
    EXPECT_TRUE(std::includes(circuit.edges.begin(), circuit.edges.end(), c.edges.begin(), c.edges.end()));
    distinct.insert(c.edges);
  }
  EXPECT_EQ(distinct.size(), 3U);
  EXPECT_EQ(without_sampled_edges(circuit, 99, rng).size(), 5U);
  EXPECT_TRUE(without_sampled_edges({}, 3, rng).empty());
}

}  // namespace
}  // namespace circuit
