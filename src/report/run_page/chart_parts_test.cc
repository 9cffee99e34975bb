// Numbers, texts and vectors as pages hold them.
#include "report/run_page/run_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>

#include "core/error.h"
#include "core/spread.h"
#include "report/kit/assets.h"
#include "report/kit/packed.h"
#include "report/kit/text.h"
#include "report/run_page/chart_spec.h"
#include "report/run_page/charts.h"
#include "report/run_page/circuit_series.h"
#include "report/run_page/overview.h"
#include "report/run_page/run_data.h"
#include "report/run_page/series_data.h"
#include "store/synthetic_run.h"

namespace circuit {
namespace {

using testing::HasSubstr;

float half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(bits & 1023), -24)
                                   : std::ldexp(static_cast<float>(1024 + (bits & 1023)), exponent - 25);
  return bits & 0x8000 ? -size : size;
}

TEST(Text, EscapesEveryCharacterHtmlReads) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&lt;/a&gt;");
  EXPECT_EQ(escape_html("bad \xFF byte"), "bad \xEF\xBF\xBD byte");
}

TEST(Text, WritesNumbersToThreeDigits) {
  EXPECT_EQ(format_value(-3.4142), "−3.41");
  EXPECT_EQ(format_value(0.012345), "0.0123");
  EXPECT_EQ(format_value(52.44), "52.4");
  EXPECT_EQ(format_value(123456), "123,456");
  EXPECT_EQ(format_value(0), "0");
  EXPECT_EQ(format_value(std::numeric_limits<double>::infinity()), "∞");
  EXPECT_EQ(format_percent(0.1234), "12.3 %");
  EXPECT_EQ(format_count(-1234567), "−1,234,567");
  EXPECT_EQ(format_large(2590848), "2.59 M");
}

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

TEST(Half, RoundsToTheNearest) {
  EXPECT_EQ(to_half(0), 0x0000);
  EXPECT_EQ(to_half(1), 0x3C00);
  EXPECT_EQ(to_half(-2), 0xC000);
  EXPECT_EQ(to_half(65504), 0x7BFF);
  EXPECT_EQ(to_half(1e6), 0x7C00);
  EXPECT_EQ(to_half(5.9604644775390625e-8f), 0x0001);
  EXPECT_EQ(to_half(6.1e-5f), 0x03FF);
  EXPECT_EQ(to_half(1.00048828125f), 0x3C00);  // half way between 1 and the next half: to the even one
  // Half has eleven significant bits, so the nearest is within 2^-11.
  constexpr float kHalfUnit = 1.0f / 2048;
  float x = 7e-5f;
  while (x < 6e4f) {
    EXPECT_NEAR(half_value(to_half(x)) / x, 1, kHalfUnit);
    x *= 1.37f;
  }
}

TEST(Base64, IsTheStandardAlphabetWithPadding) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("\xFB\xFF\xFE"), "+//+");
}

TEST(Varint, IsLeb128) {
  std::string bytes;
  for (const uint32_t value : {0u, 127u, 128u, 300u, 0xFFFFFFFFu}) append_varint(bytes, value);
  EXPECT_EQ(bytes, std::string("\x00\x7F\x80\x01\xAC\x02\xFF\xFF\xFF\xFF\x0F", 11));
  EXPECT_EQ(varint_size(127), 1u);
  EXPECT_EQ(varint_size(128), 2u);
}


}  // namespace
}  // namespace circuit
