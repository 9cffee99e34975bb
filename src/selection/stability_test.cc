#include "selection/stability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace circuit {
namespace {

// The n edges of largest score, ties by edge order.
std::function<Circuit(const EdgeScores&)> top(size_t n) {
  return [n](const EdgeScores& scores) {
    Circuit circuit;
    circuit.edges.resize(scores.values.size());
    std::iota(circuit.edges.begin(), circuit.edges.end(), 0);
    std::stable_sort(circuit.edges.begin(), circuit.edges.end(),
                     [&](int64_t a, int64_t b) { return scores.values[a] > scores.values[b]; });
    circuit.edges.resize(n);
    std::sort(circuit.edges.begin(), circuit.edges.end());
    return circuit;
  };
}

// Edge 0 is strong in every part; edge 1 and edge 2 are each the second strongest in every other part,
// equally strong on average; edge 3 has nothing; edge 4's score rests on one part of fifty.
PartScores planted() {
  PartScores scores;
  for (int p = 0; p < 50; ++p) {
    const float swing = p % 2 == 0 ? 1.0F : 0.0F;
    scores.parts.push_back({{5.0F, swing, 1.0F - swing, 0.0F, p == 7 ? 40.0F : 0.0F}});
    scores.examples.push_back(3);
  }
  return scores;
}

TEST(Stability, SaysWhichEdgesRestOnFewExamples) {
  constexpr int64_t kResamples = 2000;
  Rng rng(1);
  const std::vector<float> s = selection_stability(planted(), top(2), kResamples, rng);
  // Edge 4 is at 0.8 of the mean where its part is drawn, above 1 and 2 (0.5) and missing with (1 − 1/50)^50.
  const double missing = std::pow(1 - 1.0 / 50, 50);
  // Five standard errors of a share over 2,000 draws.
  const double tolerance = 5 * std::sqrt(0.25 / kResamples);
  EXPECT_EQ(s[0], 1);
  EXPECT_EQ(s[3], 0);
  EXPECT_NEAR(s[4], 1 - missing, tolerance);
  // Where it is missing, edges 1 and 2 take turns.
  EXPECT_NEAR(s[1], missing / 2, tolerance);
  EXPECT_NEAR(s[2], missing / 2, tolerance);
  EXPECT_NEAR(std::accumulate(s.begin(), s.end(), 0.0), 2, 1e-5) << "two edges are selected each time";
}

TEST(Stability, WeightsPartsByTheirExamples) {
  const PartScores scores{{{{1, 0}}, {{4, 8}}}, {1, 2}};
  const EdgeScores whole = whole_scores(scores);
  EXPECT_FLOAT_EQ(whole.values[0], 3);
  EXPECT_FLOAT_EQ(whole.values[1], 16.0F / 3);
}

TEST(Stability, OfOnePartIsAllOrNothing) {
  Rng rng(1);
  EXPECT_EQ(selection_stability({{{{1, 3, 2}}}, {9}}, top(2), 10, rng), (std::vector<float>{0, 1, 1}));
}

TEST(Stability, CutsExamplesIntoEqualParts) {
  for (const int64_t examples : {1, 2, 49, 50, 51, 99, 100, 1237}) {
    const std::vector<int64_t> sizes = part_sizes(examples);
    EXPECT_EQ(static_cast<int64_t>(sizes.size()), std::min(examples, kMostParts));
    EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), int64_t{0}), examples);
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
    EXPECT_LE(*most - *least, 1);
    EXPECT_GE(*least, 1);
  }
}

TEST(Stability, KeepsEdgesFromTheShareOn) {
  EXPECT_EQ(stable_edges({{0, 1, 3}}, {0.9F, 0.89F, 1, 0.95F}, 0.9).edges, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(stable_edges({{0, 1, 3}}, {0.9F, 0, 1, 0.95F}, 0).edges, (std::vector<int64_t>{0, 1, 3}));
}

}  // namespace
}  // namespace circuit
