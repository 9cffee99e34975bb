// A sweep's statistics, texts, charts and page, on numbers computed by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "report/kit/assets.h"
#include "report/kit/browser.h"
#include "report/sweep_page/sweep_charts.h"
#include "report/sweep_page/sweep_page.h"
#include "report/sweep_page/sweep_text.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr double kExact = 1e-12;
constexpr double kTable = 1e-3;  // t(1) = 12.7062 of the printed tables, times halves

SweepRun run(std::vector<std::string> values, double metric, double perplexity) {
  SweepRun r;
  r.name = "n-" + values[0] + "_seed-" + values[1];
  r.values = std::move(values);
  r.status = RunStatus::kFinished;
  r.before = {{"test/metric", -3.5}, {"untouched/perplexity", 45}};
  r.after = {
      {"test/metric", metric}, {"untouched/perplexity", perplexity}, {kChangeNorm, 0.5}, {"test/accuracy/is", 0.25}};
  return r;
}

// Means: 10 → (1, 46), 100 → (2, 48), 1000 → (1.5, 50): the last is worse than 100 in both.
Sweep made_up() {
  Sweep s{"<sizes>", {"selection.n", "tuning.seed"}, {}, "test/metric", "untouched/perplexity"};
  s.runs = {run({"10", "0"}, 0.9, 45.5), run({"10", "1"}, 1.1, 46.5), run({"100", "0"}, 2, 48),
            run({"100", "1"}, 2, 48), run({"1000", "0"}, 1.5, 50)};
  SweepRun failed;
  failed.name = "n-1000_seed-1";
  failed.values = {"1000", "1"};
  failed.status = RunStatus::kFailed;
  failed.reason = "[tune] step 3, \"loss\": <nan>";
  s.runs.push_back(failed);
  return s;
}

TEST(Sweep, SeedsAreAveragedAndOtherKeysAreConditions) {
  const std::vector<Condition> c = conditions_of(made_up());
  ASSERT_EQ(c.size(), 3U);
  EXPECT_THAT(c[0].values, ElementsAre("10"));
  EXPECT_EQ(c[0].label, "selection.n = 10");
  const ReplicateMean metric = c[0].after.at("test/metric");
  EXPECT_NEAR(metric.mean, 1, kExact);
  // s = 0.1 √2, half width 12.7062 s / √2 = 1.27062.
  EXPECT_NEAR(metric.interval->high, 1 + 1.27062, kTable);
  EXPECT_EQ(c[2].runs, 2);
  EXPECT_EQ(c[2].finished, 1);
  EXPECT_FALSE(c[2].after.at("test/metric").interval) << "one run left";
}

TEST(Sweep, ValuesInAnyOrderMakeTheSameConditions) {
  Sweep s = made_up();
  std::swap(s.runs[1], s.runs[4]);
  const std::vector<Condition> c = conditions_of(s);
  ASSERT_EQ(c.size(), 3U);
  EXPECT_NEAR(c[0].after.at("test/metric").mean, 1, kExact);
}

TEST(ParetoFront, HoldsWhatNothingDominates) {
  const double nan = std::nan("");
  EXPECT_THAT(pareto_front({{1, -46}, {2, -48}, {1.5, -50}, {2, -48}, {0, nan}, {0.5, -40}}),
              ElementsAre(true, true, false, true, false, true));
  EXPECT_THAT(pareto_front({{1, 1}, {1, 2}}), ElementsAre(false, true)) << "equal in one, worse in the other";
  EXPECT_TRUE(pareto_front({}).empty());
  EXPECT_THAT(pareto_front({{9, -INFINITY}, {INFINITY, -50}, {1, -60}}), ElementsAre(false, false, true))
      << "what is not finite is no measurement";
}

TEST(ParetoFront, KnowsWhichWayIsBetter) {
  const std::vector<Condition> c = conditions_of(made_up());
  EXPECT_TRUE(c[0].on_front && c[1].on_front);
  EXPECT_FALSE(c[2].on_front);
  Sweep abilities = made_up();
  for (SweepRun& r : abilities.runs) r.after["ability/blimp/accuracy"] = r.after["untouched/perplexity"];
  abilities.cost = "ability/blimp/accuracy";
  const std::vector<Condition> higher = conditions_of(abilities);
  EXPECT_FALSE(higher[0].on_front) << "an accuracy of 46 is below that of 48, and so is its metric";
  EXPECT_TRUE(higher[2].on_front);
}

TEST(SweepTable, HasARowAConditionBelowTheBaseModel) {
  const std::string table = sweep_table(made_up());
  EXPECT_THAT(table, HasSubstr("1 ± 1.3"));
  EXPECT_THAT(table, HasSubstr("10 *"));
  EXPECT_THAT(table, Not(HasSubstr("1000 *")));
  EXPECT_THAT(table, HasSubstr("1 of 2"));
  EXPECT_THAT(table, Not(HasSubstr("test/accuracy/is")));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 5);
}

TEST(SweepCsv, HasARowARunAndQuotesItsText) {
  const std::string csv = sweep_csv(made_up());
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 7);
  EXPECT_EQ(csv.substr(0, csv.find('\r')),
            "name,selection.n,tuning.seed,status,reason,before test/metric,test/metric,before "
            "untouched/perplexity,untouched/perplexity,test/accuracy/is,change_norm");
  EXPECT_THAT(csv, HasSubstr("\nn-10_seed-0,10,0,finished,,-3.5,0.9,45,45.5,0.25,0.5\r\n"));
  EXPECT_THAT(csv, HasSubstr("n-1000_seed-1,1000,1,failed,\"[tune] step 3, \"\"loss\"\": <nan>\",,,,,,\r\n"));
}

TEST(SweepJson, IntervalsOfOneRunAreNull) {
  const Json json = sweep_json(made_up());
  EXPECT_EQ(json["conditions"][2]["after"]["test/metric"]["low"], nullptr);
  EXPECT_EQ(json["conditions"][1]["after"]["test/metric"]["low"], 2.0);
  EXPECT_EQ(json["conditions"][0]["values"]["selection.n"], "10");
  EXPECT_EQ(json["runs"].size(), 6U);
}

TEST(SweepStatus, WordsReadBack) {
  for (const RunStatus s :
       {RunStatus::kWaiting, RunStatus::kRunning, RunStatus::kStopped, RunStatus::kFailed, RunStatus::kFinished}) {
    EXPECT_EQ(parse_status(to_string(s), "here"), s);
  }
  EXPECT_THROW(parse_status("done", "here"), Error);
}

// The type of the x axis of a key's first chart.
Json x_of(const Sweep& sweep) {
  const std::vector<SweepChart> charts = key_charts(sweep, conditions_of(sweep));
  Json x;
  for (const Json& layer : charts.at(0).spec["layer"]) {
    if (layer["encoding"].contains("x")) x = layer["encoding"]["x"];
  }
  return x;
}

TEST(SweepCharts, AxisIsLogarithmicBeyondASpanAndNamesKeepTheirOrder) {
  Sweep s = made_up();
  EXPECT_EQ(x_of(s)["scale"]["type"], "log");
  for (SweepRun& r : s.runs) {
    if (r.values[0] == "1000") r.values[0] = "300";
  }
  EXPECT_FALSE(x_of(s)["scale"].contains("type")) << "300 is not more than 30 times 10";
  for (SweepRun& r : s.runs) {
    if (r.values[0] == "10") r.values[0] = "0";
  }
  EXPECT_FALSE(x_of(s)["scale"].contains("type")) << "0 has no logarithm";
  for (SweepRun& r : s.runs) {
    if (r.values[0] == "0") r.values[0] = "lora";
  }
  EXPECT_EQ(x_of(s)["type"], "ordinal");
  EXPECT_EQ(x_of(s)["sort"], Json::array({"lora", "100", "300"}));
}

TEST(SweepCharts, AChartOfTargetAndOneOfCostAKey) {
  const Sweep s = made_up();
  EXPECT_EQ(key_charts(s, conditions_of(s)).size(), 2U);
  const Json scatter = scatter_spec(s, conditions_of(s));
  EXPECT_EQ(scatter["data"]["values"].size(), 4U) << "three conditions and the base model";
  Sweep without = s;
  without.target = "";
  EXPECT_TRUE(scatter_spec(without, conditions_of(without)).is_null());
}

TEST(SweepCharts, WhatIsNotFiniteHasNoPoint) {
  Sweep s = made_up();
  s.runs[4].after["untouched/perplexity"] = INFINITY;
  const std::vector<Condition> conditions = conditions_of(s);
  const Json scatter = scatter_spec(s, conditions);
  EXPECT_EQ(scatter["data"]["values"].size(), 3U) << "two conditions and the base model";
  for (const SweepChart& chart : key_charts(s, conditions)) {
    EXPECT_EQ(chart.spec.dump().find("null,\"y"), std::string::npos);
    for (const Json& row : chart.spec["data"]["values"]) EXPECT_TRUE(std::isfinite(row["y"].get<double>())) << row;
  }
}

std::string sweep_part(std::string page) {
  page.erase(page.find(chart_bundles()), chart_bundles().size());
  return page;
}

TEST(SweepPage, ShowsNamesOfTheUserAsText) {
  const std::string page = sweep_part(render_sweep(made_up()));
  EXPECT_THAT(page, HasSubstr("<h1>&lt;sizes&gt;</h1>"));
  EXPECT_THAT(page, HasSubstr("<strong>5</strong> of 6 runs finished, in 3 conditions"));
  EXPECT_THAT(
      page,
      HasSubstr("The best test/metric is <strong>2.00 ± 0</strong>, with selection.n = 100; it was −3.50 before"));
  EXPECT_THAT(page, Not(HasSubstr("<nan>")));
}

TEST(SweepPage, BeforeAnyRunHasFinishedHasNoCharts) {
  Sweep s = made_up();
  for (SweepRun& r : s.runs) r = {r.name, r.values, RunStatus::kWaiting, "", {}, {}};
  const std::string page = sweep_part(render_sweep(s));
  EXPECT_THAT(page, HasSubstr("<strong>0</strong> of 6 runs finished"));
  EXPECT_THAT(page, Not(HasSubstr("class=\"chart")));
}

constexpr const char* kSweepProbe = R"js(
  const at = (id) => document.getElementById(id), cells = (n) => [...at("conditions").tBodies[0].rows].map((r) => r.cells[n].textContent);
  const seen = { charts: document.querySelectorAll(".chart canvas").length, rows: cells(0).length, runs: at("runs").tBodies[0].rows.length };
  const press = () => at("conditions").tHead.rows[0].cells[0].querySelector("button").click();
  press();
  press();
  seen.descending = cells(0)[0];
  seen.scale = at("key-0-target").view.view.scale("x").type;
  const canvas = document.querySelector("#scatter canvas"), box = canvas.getBoundingClientRect();
  seen.width_of_chart = box.width > 200;
)js";

TEST(SweepPageInBrowser, IsDrawnAndFetchesNothingAtTwoWidths) {
  const std::string browser = find_browser();
  if (browser.empty()) GTEST_SKIP() << "no chromium on this machine: the page was not opened in a browser";
  const fs::path folder = fs::temp_directory_path() / ("circuit-sweep-page-test-" + std::to_string(getpid()));
  fs::create_directories(folder);
  write_page(folder.string(), render_sweep(made_up()), kSweepProbe);
  for (const int width : {390, 1280}) {
    const Json seen = seen_in_frame(browser, folder.string(), width);
    EXPECT_EQ(seen["charts"], 3) << seen;
    EXPECT_EQ(seen["rows"], 3) << seen;
    EXPECT_EQ(seen["runs"], 6) << seen;
    EXPECT_EQ(seen["descending"], "1000") << seen;
    EXPECT_EQ(seen["scale"], "log") << seen;
    EXPECT_EQ(seen["width_of_chart"], true) << seen;
    EXPECT_EQ(seen["width"], width) << seen;
    EXPECT_LE(seen["overflow"], 0) << seen;
    EXPECT_EQ(seen["requests"], 0) << seen;
    EXPECT_TRUE(seen["problems"].empty()) << seen;
    EXPECT_EQ(seen["console"], "") << seen;
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace circuit
