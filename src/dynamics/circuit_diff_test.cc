#include "dynamics/circuit_diff.h"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

namespace circuit {
namespace {

// Sums of a few hundred terms of float64 logarithms.
constexpr double kRounding = 1e-10;

int64_t bit_count(unsigned set) {
  int64_t count = 0;
  for (; set != 0; set &= set - 1) ++count;
  return count;
}

class Chance : public testing::TestWithParam<std::tuple<int64_t, int64_t>> {};

// Against every pair of sets of these sizes out of eight.
TEST_P(Chance, OverlapIsTheMeanOverAllPairsOfSets) {
  constexpr int64_t kElements = 8;
  const auto [a, b] = GetParam();
  double pairs = 0;
  double sum = 0;
  double squares = 0;
  double jaccard = 0;
  for (unsigned x = 0; x < 1U << kElements; ++x) {
    if (bit_count(x) != a) continue;
    for (unsigned y = 0; y < 1U << kElements; ++y) {
      if (bit_count(y) != b) continue;
      const auto both = static_cast<double>(bit_count(x & y));
      ++pairs;
      sum += both;
      squares += both * both;
      jaccard += a + b == 0 ? 1 : both / static_cast<double>(bit_count(x | y));
    }
  }
  const ChanceOverlap chance = chance_overlap(a, b, kElements);
  EXPECT_NEAR(chance.mean, sum / pairs, kRounding);
  EXPECT_NEAR(chance.sd * chance.sd, squares / pairs - std::pow(sum / pairs, 2), kRounding);
  EXPECT_NEAR(chance.jaccard, jaccard / pairs, kRounding);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Chance,
                         testing::Values(std::tuple(0, 0), std::tuple(0, 3), std::tuple(2, 3), std::tuple(5, 6),
                                         std::tuple(8, 8)));

TEST(CircuitDiff, SaysWhatStayedEnteredAndLeft) {
  Architecture shape;
  shape.n_layers = 1;
  shape.n_heads = shape.n_kv_heads = 1;
  const Graph graph(shape, KeyValueNodes::kGrouped);
  EdgeScores a;
  EdgeScores b;
  a.values.assign(graph.n_edges(), 0.5F);
  b.values = a.values;
  b.values[2] = -2;
  a.values[1] = 1;
  const CircuitDiff diff = diff_circuits(graph, {{0, 1}}, a, {{1, 2}}, b);
  EXPECT_EQ(diff.edges.shared, std::vector<int64_t>{1});
  EXPECT_EQ(diff.edges.added, std::vector<int64_t>{2});
  EXPECT_EQ(diff.edges.removed, std::vector<int64_t>{0});
  EXPECT_DOUBLE_EQ(diff.jaccard_edges, 1.0 / 3);
  ASSERT_EQ(diff.changes.size(), 3U);
  EXPECT_EQ(diff.changes[0].edge, 2);
  EXPECT_EQ(diff.changes[0].after, -2);
  EXPECT_EQ(diff.changes[1].edge, 1);
}

}  // namespace
}  // namespace circuit
