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

constexpr size_t kRoom = 20'000'000;  // more than any of these runs needs

TEST_F(Report, SeriesHoldTheStoresNumbers) {
  const std::string folder = make("run");
  const RunData run = read_run(folder);
  const CircuitSeries series = read_circuit_series(folder, run, kRoom);
  ASSERT_EQ(series.discoveries.size(), 30u);
  EXPECT_EQ(series.scored, series.edges.size());  // a small graph is held whole
  EXPECT_EQ(series.graph_edges, series.edges.size());
  Database database(folder + "/run.db", Database::Mode::kReadOnly);
  database.add_float_at();
  auto rows = database.prepare(
      "SELECT e.upstream, e.downstream, float_at(d.scores, e.id), "
      "EXISTS(SELECT 1 FROM circuit_edges c WHERE c.step = d.step AND c.edge = e.id), d.step FROM "
      "discoveries d, edges e");
  std::map<std::pair<std::string, std::string>, size_t> at;
  for (size_t e = 0; e < series.edges.size(); ++e) {
    at[{run.upstream_nodes[series.edges[e].upstream], run.downstream_nodes[series.edges[e].downstream]}] = e;
  }
  size_t compared = 0;
  for (; rows.step(); ++compared) {
    const size_t e = at.at({rows.text(0), rows.text(1)});
    const auto i = static_cast<size_t>(rows.integer(4) / 10);
    EXPECT_EQ(series.scores[i * series.scored + e], static_cast<float>(rows.real(2)));
    const auto& turns = series.edges[e].turns;
    EXPECT_EQ((std::upper_bound(turns.begin(), turns.end(), i) - turns.begin()) % 2, rows.integer(3));
  }
  EXPECT_EQ(compared, 30 * series.edges.size());
}

TEST_F(Report, ScoredEdgesAreThoseOfLargestScoreOverTime) {
  const std::string folder = make("run");
  const CircuitSeries series = read_circuit_series(folder, read_run(folder), kRoom);
  for (size_t e = 0; e < series.scored; ++e) {
    float largest = 0;
    for (size_t i = 0; i < series.discoveries.size(); ++i)
      largest = std::max(largest, std::abs(series.scores[i * series.scored + e]));
    EXPECT_EQ(largest, series.edges[e].largest);
    if (e > 0) {
      EXPECT_LE(largest, series.edges[e - 1].largest);
    }
  }
}

TEST_F(Report, ScoresThatWereNotKeptAreThoseOfTheCircuit) {
  const std::string folder = make("run");
  change(folder,
         "CREATE TABLE d AS SELECT * FROM discoveries; DROP TABLE discoveries; ALTER TABLE d RENAME TO "
         "discoveries;"
         "UPDATE discoveries SET scores = NULL WHERE step = 50");
  const CircuitSeries series = read_circuit_series(folder, read_run(folder), kRoom);
  size_t known = 0;
  for (size_t e = 0; e < series.scored; ++e) known += !std::isnan(series.scores[5 * series.scored + e]);
  EXPECT_EQ(known, 200u);
  EXPECT_EQ(series.with_scores, 29u);
}

TEST_F(Report, ShortRoomThinsDiscoveriesThenLeavesWeakEdgesOut) {
  SyntheticRun spec;
  spec.steps = 400;
  spec.discovery_every = 1;
  spec.circuit_size = 600;
  const std::string folder = make("run", spec);
  const RunData run = read_run(folder);
  constexpr size_t kTight = 20'000;
  const CircuitSeries series = read_circuit_series(folder, run, kTight);
  EXPECT_LT(series.discoveries.size(), 400u);
  EXPECT_EQ(series.discoveries.back(), 399u);
  EXPECT_LT(series.scored, 100u);
  EXPECT_GT(series.left_out, 0u);
  // The names and lists of steps come on top.
  const Json data = series_data(run, series);
  size_t packed = 0;
  for (const char* key : {"ends", "turns"}) packed += data[key].get<std::string>().size();
  for (const char* key : {"scores", "upstream_strength", "downstream_strength"})
    packed += data[key]["halves"].get<std::string>().size();
  EXPECT_LE(packed, kTight);
  EXPECT_GT(packed, kTight / 2);
}

TEST_F(Report, UpdatesAddUpToAPath) {
  const std::string folder = make("run");
  change(folder,
         "INSERT INTO slices VALUES(0, 'a0.h0', 't', 0, 0, 1, 10), (1, 'a0.h0', 'u', 0, 0, 1, 5), (2, 'm0', "
         "'v', 0, 0, 1, 7),"
         "(3, 'm1', 'w', 0, 0, 1, 7);"
         "INSERT INTO slice_norms VALUES(0, 0, 1, 3), (0, 1, 1, 4), (10, 0, 1, 2), (10, 2, 1, 1), (20, 2, 1, "
         "0)");
  const std::vector<NodeUpdates> updates = read_run(folder).updates;
  ASSERT_EQ(updates.size(), 2u);
  EXPECT_EQ(updates[0].node, "a0.h0");
  EXPECT_EQ(updates[0].path, 7);  // √(3² + 4²) + 2
  EXPECT_EQ(updates[0].steps, 2);
  EXPECT_EQ(updates[0].parameters, 15);
  EXPECT_EQ(updates[1].node, "m0");
  EXPECT_EQ(updates[1].path, 1);
  EXPECT_EQ(data_of(render_report({folder}))["updates"][0]["nodes"].size(), 2u);
}

TEST_F(Report, WithoutUpdatesThePageSaysSo) {
  const std::string page = own_part(render_report({make("run")}));
  EXPECT_THAT(page, HasSubstr("circuit diff MODEL EXPORT"));
  EXPECT_THAT(page, Not(HasSubstr("<section id=\"updates\">")));
}

TEST_F(Report, EverySeriesOfAThousandDiscoveriesIsThere) {
  SyntheticRun spec;
  spec.steps = 1000;
  spec.discovery_every = 1;
  const std::string run = make("run", spec);
  const std::string page = render_report({run});
  const Json circuit = data_of(page)["circuits"][0];
  EXPECT_EQ(circuit["steps"].size(), 1000u);
  EXPECT_EQ(circuit["n_edges"][999], 200);
  EXPECT_EQ(circuit["left_out"], 0);
  constexpr size_t kSmall = 6'000'000;
  EXPECT_LT(page.size(), kSmall);
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
