#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>

#include "core/error.h"
#include "report/assets.h"
#include "report/chart_spec.h"
#include "report/charts.h"
#include "report/drawing_data.h"
#include "report/overview.h"
#include "report/run_data.h"
#include "report/synthetic_run.h"
#include "report/text.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Report : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("circuit-report-test-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string make(const std::string& name, const SyntheticRun& spec = {}) const {
    write_synthetic_run((folder_ / name).string(), spec);
    return (folder_ / name).string();
  }
  static void change(const std::string& run, const std::string& sql) {
    Database(run + "/run.db", Database::Mode::kReadWrite).execute(sql);
  }
  fs::path folder_;
};

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const Chart* chart_titled(const std::vector<Chart>& charts, const std::string& title) {
  for (const Chart& chart : charts) {
    if (chart.title == title) return &chart;
  }
  return nullptr;
}

// The JSON of the page's data element.
Json data_of(const std::string& page) {
  const std::string open = "id=\"report-data\">";
  const size_t begin = page.find(open) + open.size();
  return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

// The page without the bundles: what this project wrote.
std::string own_part(std::string page) {
  page.erase(page.find(chart_bundles()), chart_bundles().size());
  return page;
}

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
  for (int i = 0; i < 30000; ++i)
    chart.series[0].curve.push_back({static_cast<double>(i), i % 10 == 0 ? 1.0 : 0.0});
  const Json spec = line_chart_spec(chart, false);
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
  for (float x = 7e-5f; x < 6e4f; x *= 1.37f) EXPECT_NEAR(half_value(to_half(x)) / x, 1, kHalfUnit);
}

TEST(Base64, IsTheStandardAlphabetWithPadding) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("\xFB\xFF\xFE"), "+//+");
}

TEST_F(Report, SpecsHoldTheRunsValues) {
  const RunData run = read_run(make("run"));
  const std::vector<Chart> charts = make_charts({run});
  const Chart* metric = chart_titled(charts, "Metric");
  ASSERT_NE(metric, nullptr);
  const Json& rows = metric->spec["data"]["values"];
  EXPECT_EQ(rows[0], (Json{{"step", 0.0}, {"value", -3.41}, {"series", "dev"}}));
  EXPECT_EQ(rows.back(), (Json{{"step", 300.0}, {"value", 1.9}, {"series", "test"}}));
  EXPECT_EQ(metric->spec["$schema"], "https://vega.github.io/schema/vega-lite/v5.json");
  EXPECT_EQ(metric->spec["layer"][1]["encoding"]["x"]["field"], "step");
  EXPECT_EQ(metric->spec["layer"][1]["encoding"]["y"]["field"], "value");
  EXPECT_EQ(metric->spec["layer"][1]["encoding"]["color"]["field"], "series");
  for (const char* title : {"Accuracy", "Perplexity, dev text", "Perplexity, untouched text", "Loss",
                            "Gradient norm", "Nodes in the circuit", "Trainable share", "Overlap of edges",
                            "Overlap of nodes", "Rank correlation of the scores"}) {
    EXPECT_NE(chart_titled(charts, title), nullptr) << title;
  }
  EXPECT_EQ(chart_titled(charts, "Loss")->spec["data"]["values"].size(), 300u);
}

TEST_F(Report, SplitsMeasuredTwiceGetNoLine) {
  const std::vector<Chart> charts = make_charts({read_run(make("run"))});
  const Json& layers = chart_titled(charts, "Metric")->spec["layer"];
  EXPECT_EQ(layers[0]["transform"][0]["filter"]["oneOf"], Json::array({"test"}));
  EXPECT_EQ(layers[0]["mark"]["type"], "point");
  EXPECT_EQ(layers[1]["transform"][0]["filter"]["not"]["oneOf"], Json::array({"test"}));
}

TEST_F(Report, TheFirstDiscoveryHasNoOverlap) {
  const std::vector<Chart> charts = make_charts({read_run(make("run"))});
  const Json& rows = chart_titled(charts, "Overlap of edges")->spec["data"]["values"];
  EXPECT_EQ(rows.size(), 2u * 29);
  for (const Json& row : rows) EXPECT_GT(row["step"].get<double>(), 0);
}

TEST_F(Report, SeveralRunsAreToldApart) {
  SyntheticRun other;
  other.method = "random";
  other.circuit_size = 100;
  const std::string page = render_report({make("a"), make("b", other)});
  const Json data = data_of(page);
  EXPECT_EQ(data["drawings"].size(), 2u);
  const Json& spec = data["charts"][0]["spec"];
  EXPECT_EQ(spec["layer"][0]["encoding"]["color"]["field"], "run");
  EXPECT_EQ(spec["data"]["values"][0]["run"], "a");
  EXPECT_EQ(spec["data"]["values"].back()["run"], "b");
}

TEST_F(Report, RunsOfTheSameFolderNameGetNamesThatDiffer) {
  const Json data = data_of(render_report({make("x/run"), make("y/run")}));
  EXPECT_EQ(data["drawings"][0]["name"], "run");
  EXPECT_EQ(data["drawings"][1]["name"], "run (2)");
}

TEST_F(Report, DrawingHoldsTheStrongestEdges) {
  const RunData run = read_run(make("run"));
  const Json drawing = drawing_data(run);
  ASSERT_EQ(drawing["frames"].size(), 30u);
  EXPECT_EQ(drawing["frames"][29]["step"], 290);
  EXPECT_EQ(drawing["upstream"].size(), 29u);
  const auto& strongest = run.frames[0].strongest;
  EXPECT_EQ(strongest.size(), 200u);
  for (size_t i = 1; i < strongest.size(); ++i) {
    EXPECT_GE(std::abs(strongest[i - 1].second), std::abs(strongest[i].second));
  }
  // Ids are two bytes, scores halves: base64 of 400 bytes each.
  EXPECT_EQ(drawing["frames"][0]["ids"].get<std::string>().size(), 536u);
  EXPECT_EQ(drawing["frames"][0]["scores"].get<std::string>().size(), 536u);
}

TEST_F(Report, ManyDiscoveriesAreThinnedAndThePageStaysSmall) {
  SyntheticRun spec;
  spec.steps = 1000;
  spec.discovery_every = 1;
  spec.circuit_size = 500;
  const std::string run = make("run", spec);
  const Json drawing = drawing_data(read_run(run));
  EXPECT_EQ(drawing["frames"].size(), kMaxFrames);
  EXPECT_EQ(drawing["discoveries"], 1000);
  EXPECT_EQ(drawing["frames"][0]["n_edges"], 500);
  constexpr size_t kSmall = 3'000'000;
  EXPECT_LT(render_report({run}).size(), kSmall);
}

TEST_F(Report, PageStandsAlone) {
  const std::string page = own_part(render_report({make("run")}));
  for (const char* reference : {"src=", "href=", "@import", "url(", "<link", "<iframe"}) {
    EXPECT_THAT(page, Not(HasSubstr(reference)));
  }
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("Redistribution and use in source and binary forms"));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
}

TEST_F(Report, OverviewSaysWhatChangedAndWhatItCost) {
  const std::string text = overview_html(read_run(make("run")));
  for (const char* part : {"books-4l", "circuit-tuning", "300 steps", "2.59 M parameters", "2 min 00 s",
                           "−3.41", "8.30 %", "88.4", "46.2", "30 times", "200 edges"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST_F(Report, SummaryNamesTheBestStep) {
  const std::string run = make("run");
  EXPECT_EQ(best_step(read_run(run)), 300);
  change(run, "INSERT INTO meta VALUES('summary', '{\"best_step\": 120}')");
  EXPECT_EQ(best_step(read_run(run)), 120);
}

TEST_F(Report, HostileNamesStayText) {
  SyntheticRun spec;
  spec.model = "m</script><script>alert(1)</script>";
  spec.config = "path = \"</pre><img onerror=alert(2)>\"";
  spec.odd_evaluation = "dev</script><b>/x<!--/<i>\xFF{{title}}";
  const std::string run = make("<b>run", spec);
  change(run, "UPDATE edges SET upstream = 'a</script><u>' WHERE id = 0");
  const std::string page = own_part(render_report({run}));
  for (const char* injected : {"<b>", "<i>", "<u>", "<img", "alert(1)</script>"}) {
    EXPECT_THAT(page, Not(HasSubstr(injected))) << injected;
  }
  // One for the data, one for the bundles, one for the page's own scripts.
  size_t ends = 0;
  for (size_t at = page.find("</script"); at != std::string::npos; at = page.find("</script", at + 1)) ++ends;
  EXPECT_EQ(ends, 3u);
  EXPECT_NO_THROW(data_of(page));
}

TEST_F(Report, RunsWithoutCircuitsSaySo) {
  SyntheticRun spec;
  spec.method = "full";
  spec.discovery_every = 0;
  const std::string page = render_report({make("run", spec)});
  EXPECT_THAT(page, HasSubstr("No circuit to draw"));
  EXPECT_THAT(page, HasSubstr("full fine-tuning"));
  EXPECT_THAT(page, HasSubstr("23.2 %"));  // 600,000 trainable of 2,590,848
  EXPECT_TRUE(data_of(page)["drawings"].empty());
}

TEST_F(Report, AnEmptyRunHasAPage) {
  const std::string run = make("run");
  change(run,
         "DELETE FROM steps; DELETE FROM evaluations; DELETE FROM discoveries; DELETE FROM circuit_edges;"
         "DELETE FROM meta;");
  const std::string page = render_report({run});
  EXPECT_THAT(page, HasSubstr("No steps were recorded yet."));
  EXPECT_THAT(page, HasSubstr("No evaluations were recorded."));
  EXPECT_THAT(page, HasSubstr("No steps, discoveries or evaluations to chart."));
}

TEST_F(Report, DivergedStepsAreLeftOut) {
  const std::string run = make("run");
  change(run, "UPDATE steps SET loss = 9e999 WHERE step = 7");
  EXPECT_EQ(read_run(run).loss.size(), 299u);
}

TEST_F(Report, ErrorsNameTheRun) {
  const std::string nowhere = (folder_ / "nowhere").string();
  EXPECT_EQ(message_of([&] { render_report({nowhere}); }),
            "[report " + nowhere + "] run.db: not there, expected a run folder written by `circuit tune`.");
  EXPECT_EQ(message_of([] { render_report({}); }),
            "[report] no run given, expected at least one run folder.");

  const std::string run = make("run");
  change(run, "UPDATE discoveries SET upstream_strength = x'00' WHERE step = 10");
  EXPECT_EQ(
      message_of([&] { render_report({run}); }),
      "[report " + run +
          "] discovery at step 10, upstream_strength: found 1 bytes, expected 29 float32 (one a node).");
  change(run, "UPDATE meta SET value = '{' WHERE key = 'graph'");
  EXPECT_THAT(message_of([&] { render_report({run}); }), HasSubstr("meta graph"));
  change(run, "DROP TABLE evaluations");
  EXPECT_THAT(message_of([&] { render_report({run}); }), HasSubstr("table evaluations: not there"));
}

TEST_F(Report, IsWrittenIntoTheRun) {
  const std::string run = make("run");
  write_report(run);
  EXPECT_EQ(read_file(run + "/report.html"), render_report({run}));
}

}  // namespace
}  // namespace circuit
