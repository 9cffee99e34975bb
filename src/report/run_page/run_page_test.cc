#include "report/run_page/run_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "io/files.h"
#include "report/kit/assets.h"
#include "report/run_page/charts.h"
#include "report/run_page/overview.h"
#include "report/run_page/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;
using testing::Not;

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

// The page without the bundles: what this project wrote.
std::string own_part(std::string page) {
  page.erase(page.find(chart_bundles()), chart_bundles().size());
  return page;
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
  for (const char* title : {"Accuracy", "Perplexity, dev text", "Perplexity, untouched text", "Loss", "Gradient norm",
                            "Nodes in the circuit", "Trainable share", "Overlap of edges", "Overlap of nodes",
                            "Rank correlation of the scores"}) {
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
  EXPECT_EQ(data["circuits"].size(), 2u);
  const Json& spec = data["charts"][0]["spec"];
  EXPECT_EQ(spec["layer"][0]["encoding"]["color"]["field"], "run");
  EXPECT_EQ(spec["data"]["values"][0]["run"], "a");
  EXPECT_EQ(spec["data"]["values"].back()["run"], "b");
}

// A run without a curve in a chart leaves the others their colours there.
TEST_F(Report, ARunHasOneColourInAllCharts) {
  SyntheticRun none;
  none.steps = 10;  // one discovery overlaps with no other
  const std::vector<std::string> runs{make("a"), make("b", none), make("c")};
  bool left_out = false;
  const Json data = data_of(render_report(runs));
  for (const Json& chart : data["charts"]) {
    const Json& color = chart["spec"]["layer"][0]["encoding"]["color"];
    EXPECT_EQ(color["scale"]["domain"], Json::parse(R"(["a", "b", "c"])")) << chart["spec"]["description"];
    left_out = left_out || color["legend"]["values"] == Json::parse(R"(["a", "c"])");
  }
  EXPECT_TRUE(left_out);
}

TEST_F(Report, RunsOfTheSameFolderNameGetNamesThatDiffer) {
  const Json data = data_of(render_report({make("x/run"), make("y/run"), make("run (2)")}));
  EXPECT_EQ(data["circuits"][0]["name"], "run");
  EXPECT_EQ(data["circuits"][1]["name"], "run (2)");
  EXPECT_EQ(data["circuits"][2]["name"], "run (2) (2)");
}

TEST_F(Report, WithoutUpdatesThePageSaysSo) {
  const std::string page = own_part(render_report({make("run")}));
  EXPECT_THAT(page, HasSubstr("circuit diff MODEL EXPORT"));
  EXPECT_THAT(page, Not(HasSubstr("<section id=\"updates\">")));
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
  for (const char* part : {"books-4l", "circuit-tuning", "300 steps", "2.59 M parameters", "2 min 00 s", "−3.41",
                           "8.30 %", "88.4", "46.2", "30 times", "200 edges"}) {
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
  EXPECT_TRUE(data_of(page)["circuits"].empty());
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

TEST_F(Report, DivergedStepsAreLeftOutOfChartsWhichSaySo) {
  const std::string run = make("run");
  change(run, "UPDATE steps SET loss = 9e999 WHERE step = 7");
  const std::vector<Chart> charts = make_charts({read_run(run)});
  const Chart* loss = chart_titled(charts, "Loss");
  EXPECT_EQ(loss->spec["data"]["values"].size(), 299u);
  EXPECT_THAT(loss->caption, HasSubstr("1 point is not finite and left out."));
}

// A finite value of another step must not stand in for it.
TEST_F(Report, WhatIsNotFiniteIsShownAsWhatItIs) {
  const std::string run = make("run");
  change(run,
         "UPDATE evaluations SET value = 9e999 WHERE name = 'untouched/perplexity' AND step = 300;"
         "UPDATE evaluations SET value = 'nan' WHERE name = 'dev/perplexity' AND step = 300");
  const RunData data = read_run(run);
  EXPECT_THAT(overview_html(data), HasSubstr("on untouched text from <strong>46.2</strong> to <strong>∞</strong>"));
  const std::string table = evaluation_table_html(data);
  EXPECT_THAT(table, HasSubstr("<td data-value=\"Infinity\">∞</td>"));
  EXPECT_THAT(table, HasSubstr("<td data-value=\"\">not a number</td>"));
}

TEST_F(Report, ANanIsNeverTheBestStep) {
  const std::string run = make("run");
  change(run, "UPDATE evaluations SET value = 'nan' WHERE name = 'dev/metric' AND step IN (0, 300)");
  EXPECT_EQ(best_step(read_run(run)), 280);
}

TEST_F(Report, ErrorsNameTheRun) {
  const std::string nowhere = (folder_ / "nowhere").string();
  EXPECT_EQ(message_of([&] { render_report({nowhere}); }),
            "[report " + nowhere + "] run.db: not there, expected a run folder written by `circuit tune`.");
  EXPECT_EQ(message_of([] { render_report({}); }), "[report] no run given, expected at least one run folder.");

  const std::string run = make("run");
  change(run, "UPDATE discoveries SET upstream_strength = x'00' WHERE step = 10");
  EXPECT_EQ(message_of([&] { render_report({run}); }),
            "[report " + run + "] discovery at step 10, upstream_strength: found 1 bytes, expected 29 float32.");
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
