#include "evaluation/curve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "selection/prune.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

constexpr double kCurveRounding = 1e-12;

// f of each size, the same on both examples, in a range of 2 above 1.
std::vector<CircuitOutcome> outcomes_of(const std::vector<double>& f) {
  std::vector<CircuitOutcome> outcomes;
  for (const double value : f) outcomes.push_back({{1 + 2 * value, 1 + 2 * value}, {}, {}});
  return outcomes;
}
const CircuitOutcome kFull{{3, 3}, {}, {}};
const CircuitOutcome kEmpty{{1, 1}, {}, {}};

TEST(Area, OfAConstantIsItsWidth) {
  EXPECT_NEAR(area(std::vector<double>(curve_shares().size(), 2)), 2 * (1 - 0.001), kCurveRounding);
  EXPECT_NEAR(area(curve_shares()), (1 - 1e-6) / 2, kCurveRounding);  // ∫ k dk
}

// By hand: f is 0 up to k = .2, 1.5 at .5, 1 at 1. Trapezoids: (.5 − .2)(0 + 1.5)/2 + (1 − .5)(1.5 + 1)/2.
TEST(Curve, CprIsTheAreaUnderFaithfulness) {
  Rng rng(1);
  const Estimate area = cpr(outcomes_of({0, 0, 0, 0, 0, 0, 0, 0, 1.5, 1}), kFull, kEmpty, rng);
  EXPECT_NEAR(area.value, 0.225 + 0.625, kCurveRounding);
  EXPECT_NEAR(area.interval.low, area.value, kCurveRounding);  // the examples agree
  EXPECT_NEAR(area.interval.high, area.value, kCurveRounding);
}

// |1 − f| is 1 up to .2, .5 at .5, 0 at 1: (.2 − .001) + .3 · 1.5/2 + .5 · .5/2.
TEST(Curve, CmdIsTheAreaBetweenFaithfulnessAndOne) {
  Rng rng(1);
  EXPECT_NEAR(cmd(outcomes_of({0, 0, 0, 0, 0, 0, 0, 0, 1.5, 1}), kFull, kEmpty, rng).value, 0.199 + 0.225 + 0.125,
              kCurveRounding);
}

TEST(Curve, OfARangeOfZeroIsNotANumber) {
  Rng rng(1);
  EXPECT_FALSE(std::isfinite(cpr(outcomes_of(std::vector<double>(10, 0.5)), kEmpty, kEmpty, rng).value));
}

class Sizes : public testing::Test {
 protected:
  Sizes() {
    Rng rng(4);
    for (int64_t e = 0; e < graph_.n_edges(); ++e) scores_.values.push_back(static_cast<float>(rng.normal()));
    scores_.values[3] = 0;
  }
  Model model_ = Model::random(tiny_architecture("gpt2"), 0.3, 3, {});
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped};
  SliceTable slices_{graph_, model_};
  EdgeScores scores_;
};

TEST_F(Sizes, AreSharesOfTheEdgesRoundedDown) {
  const auto circuits = curve_circuits({graph_, scores_, slices_}, Ranking::kMagnitude, Pruning::kPrune);
  ASSERT_EQ(circuits.size(), curve_shares().size());
  for (size_t i = 0; i + 1 < circuits.size(); ++i) {
    const auto n = static_cast<size_t>(curve_shares()[i] * static_cast<double>(graph_.n_edges()));
    EXPECT_EQ(circuits[i].nominal.edges.size(), n);
    EXPECT_EQ(circuits[i].run.edges, prune(graph_, circuits[i].nominal).edges);
  }
  // Also the edge that has no score.
  EXPECT_EQ(static_cast<int64_t>(circuits.back().run.edges.size()), graph_.n_edges());
}

TEST_F(Sizes, SignedOnesTakeEdgesThatSupportTheMetric) {
  const auto circuits = curve_circuits({graph_, scores_, slices_}, Ranking::kSigned, Pruning::kKeep);
  for (size_t i = 0; i + 1 < circuits.size(); ++i) {
    EXPECT_EQ(circuits[i].run.edges, circuits[i].nominal.edges);
    for (const int64_t e : circuits[i].nominal.edges) EXPECT_GT(scores_.values[e], 0);
  }
}

TEST_F(Sizes, PointsHoldNominalAndRealisedSizes) {
  Rng rng(1);
  const std::vector<SizedCircuit> circuits{{0.5, {{1, 2, 3}}, {{1, 2}}}, {1, {{1, 2, 3, 4}}, {{1, 2, 3, 4}}}};
  const auto points = curve_points(circuits, outcomes_of({0.25, 1}), kFull, kEmpty, rng);
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].edges, 3);
  EXPECT_EQ(points[0].edges_run, 2);
  EXPECT_NEAR(points[0].faithfulness.value, 0.25, kCurveRounding);
  EXPECT_NEAR(points[1].faithfulness.value, 1, kCurveRounding);
}

}  // namespace
}  // namespace circuit
