#include "report/run_page/chart_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/spread.h"
#include "report/run_page/charts.h"

namespace circuit {
namespace {

TEST(EvaluationName, KeepsTheDetailWhole) {
  const EvaluationName name = parse_evaluation_name("test/accuracy/ a/b");
  EXPECT_EQ(name.split, "test");
  EXPECT_EQ(name.measure, "accuracy");
  EXPECT_EQ(name.detail, " a/b");
}

TEST(Thin, KeepsPeaksAndOrder) {
  Curve curve;
  for (int i = 0; i < 50000; ++i) curve.push_back({static_cast<double>(i), i == 31234 ? 99.0 : std::sin(i)});
  const Curve kept = thin(curve, 2000);
  EXPECT_LE(kept.size(), 2000u);
  bool peak = false;
  for (size_t i = 0; i < kept.size(); ++i) {
    peak = peak || kept[i].value == 99.0;
    if (i > 0) {
      EXPECT_LT(kept[i - 1].step, kept[i].step);
    }
  }
  EXPECT_TRUE(peak);
  EXPECT_EQ(thin(kept, 2000).size(), kept.size());
}

TEST(MovingMean, IsCentredAndShortAtTheEnds) {
  const Curve mean = moving_mean({{0, 1}, {1, 2}, {2, 6}, {3, 3}}, 1);
  ASSERT_EQ(mean.size(), 4u);
  EXPECT_EQ(mean[0].value, 1.5);
  EXPECT_EQ(mean[1].value, 3);
  EXPECT_EQ(mean[3].value, 4.5);
  EXPECT_EQ(mean[3].step, 3);
}

TEST(LineChartSpec, MeanIsOfAllPointsNotOfTheThinnedOnes) {
  // Nine in ten points are 0, so the middle between a bucket's extremes is far from the mean.
  LineChart chart{"noise", "", "Noise", "", "", Scale::kNumber, Marks::kNoisyLine, {}};
  chart.series.push_back({"run", "loss", {}});
  for (int i = 0; i < 30000; ++i) chart.series[0].curve.push_back({static_cast<double>(i), i % 10 == 0 ? 1.0 : 0.0});
  const Json spec = line_chart_spec(chart, {"run"});
  EXPECT_LE(spec["data"]["values"].size(), kMaxCurvePoints);
  for (const Json& row : spec["data"]["values"]) EXPECT_NEAR(row["mean"].get<double>(), 0.1, 0.01);
  EXPECT_EQ(spec["layer"][1]["encoding"]["y"]["field"], "mean");
}

TEST(SpreadIndices, KeepsTheEnds) {
  EXPECT_THAT(spread_indices(3, 10), testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(spread_indices(1, 10), testing::ElementsAre(0));
  EXPECT_THAT(spread_indices(101, 3), testing::ElementsAre(0, 50, 100));
  EXPECT_TRUE(spread_indices(0, 10).empty());
}

}  // namespace
}  // namespace circuit
