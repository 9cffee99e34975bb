#include "report/evaluation_page/evaluation_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "report/evaluation_page/faithfulness_chart.h"
#include "report/evaluation_page/matrix_page.h"
#include "report/kit/assets.h"
#include "report/kit/browser.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

Estimate around(double value) { return {value, {value - 0.05, value + 0.04}}; }

CircuitEvaluation made_up() {
  CircuitEvaluation e;
  e.examples = 1200;
  e.graph_edges = 32491;
  e.edges = 200;
  e.edges_run = 187;
  e.full.metric = around(3.25);
  e.empty.metric = around(-0.5);
  e.circuit.metric = around(2.5);
  e.full.accuracy = e.circuit.accuracy = {std::nan(""), {}};
  e.range = {3.75, around(3.75).interval};
  e.faithfulness = around(0.8);
  e.completeness_gap = around(0.1234);
  e.minimality = Minimality{around(0.5), 40};
  FaithfulnessCurve curve;
  curve.cpr = around(0.9);
  curve.cmd = around(0.1);
  for (const double share : curve_shares()) {
    const auto edges = static_cast<int64_t>(share * 32491);
    curve.by_magnitude.push_back({share, edges, edges - 2, around(std::pow(share, 0.1))});
    curve.by_score.push_back({share, edges, edges - 3, around(share)});
  }
  e.curve = curve;
  return e;
}

EvaluationNames names() { return {"models/small", "data/<b>.jsonl", "runs/</script>.json", "logit_diff", "mean", ""}; }

// The page without the bundles: what this project wrote.
std::string evaluation_part(std::string page) {
  page.erase(page.find(chart_bundles()), chart_bundles().size());
  return page;
}

TEST(EvaluationPage, SaysWhatTheCircuitCarries) {
  const std::string page = evaluation_part(render_evaluation(made_up(), {}, names(), Recovery{0.5, 0.25, 0.875}));
  EXPECT_THAT(page,
              HasSubstr("carries <strong>80\u00A0%</strong> of the behaviour (95 % interval 75\u00A0% to 84\u00A0%)"));
  EXPECT_THAT(page, HasSubstr("<strong>200</strong> of the graph’s 32,491 edges (0.6\u00A0%), 187 of them on a path"));
  EXPECT_THAT(page, HasSubstr("over 1,200 examples is <strong>3.25</strong>"));
  EXPECT_THAT(page, HasSubstr("precision <strong>0.500</strong>"));
  EXPECT_THAT(page, Not(HasSubstr("Accuracy")));
}

TEST(EvaluationPage, ShowsNamesOfTheUserAsText) {
  const std::string page = evaluation_part(render_evaluation(made_up(), {}, names(), {}));
  EXPECT_THAT(page, Not(HasSubstr("<b>")));
  EXPECT_THAT(page, HasSubstr("data/&lt;b&gt;.jsonl"));
  EXPECT_THAT(page, HasSubstr("<h1>script&gt;.json</h1>"));
  EXPECT_THAT(page, Not(HasSubstr("http-equiv=\"refresh\"")));
}

TEST(EvaluationPage, WithoutFaithfulnessSaysSoAndHasNoCurve) {
  CircuitEvaluation e = made_up();
  e.range = {0.01, {-0.02, 0.04}};
  e.faithfulness = e.completeness_gap = std::nullopt;
  e.minimality = std::nullopt;
  e.curve = std::nullopt;
  const std::string page = evaluation_part(render_evaluation(e, {}, names(), {}));
  EXPECT_THAT(page, HasSubstr("<strong>not defined</strong>"));
  EXPECT_THAT(page, HasSubstr("(−0.0200 to 0.0400)"));
  EXPECT_THAT(page, Not(HasSubstr("id=\"points\"")));
}

Baseline made_up_baseline(const std::string& name, const std::vector<double>& faithfulness) {
  Baseline b;
  b.name = name;
  for (const double f : faithfulness) b.draws.push_back({3000, 187, 1.5, f, 0.9});
  b.metric = around(1.5);
  b.faithfulness = around(0.2);
  b.completeness_gap = around(0.9);
  b.difference = around(0.6);
  b.as_faithful = 0.25;
  return b;
}

TEST(EvaluationPage, HoldsTheCircuitAgainstBaselines) {
  CircuitEvaluation e = made_up();
  EXPECT_THAT(evaluation_part(render_evaluation(e, {}, names(), {})), Not(HasSubstr("id=\"baselines\"")));
  e.baselines = {made_up_baseline("random", {0.1, 0.9, 0.3, 0.2}), made_up_baseline("wanda", {0.3})};
  e.baselines[1].difference = Estimate{0.01, {-0.02, 0.04}};
  const std::string page = evaluation_part(render_evaluation(e, {}, names(), {}));
  EXPECT_THAT(page, HasSubstr("<strong>above</strong> 4 random circuits: <strong>60\u00A0%</strong>"));
  EXPECT_THAT(page, HasSubstr("<strong>not told apart from</strong> wanda"));
  EXPECT_THAT(page, HasSubstr(">1 of 4</td>"));
  e.baselines[0].faithfulness = e.baselines[0].completeness_gap = e.baselines[0].difference = std::nullopt;
  e.baselines[0].as_faithful = std::nullopt;
  EXPECT_THAT(evaluation_part(render_evaluation(e, {}, names(), {})), HasSubstr("not defined"));
}

CircuitMatrix made_up_matrix() {
  CircuitEvaluation known = made_up();
  CircuitEvaluation unknown = made_up();
  unknown.faithfulness = std::nullopt;
  CircuitEvaluation better = made_up();
  better.faithfulness = around(0.95);
  return {{"data/<b>.jsonl", "other/b.jsonl"},
          {"runs/a.json", "more/a.json"},
          {{known, better}, {unknown, unknown}},
          {{1, 0.25}, {0.25, 1}}};
}

TEST(MatrixPage, SaysWhichCircuitCarriesMostOfEachTask) {
  EvaluateRequest request;
  request.model = "models/small";
  const std::string page = evaluation_part(render_matrix(made_up_matrix(), request));
  // Two circuits of one name are called by their paths.
  EXPECT_THAT(page, HasSubstr("On &lt;b&gt;.jsonl the most is <strong>95\u00A0%</strong> (90\u00A0% to 99\u00A0%), by "
                              "more/a.json."));
  EXPECT_THAT(page, HasSubstr("On b.jsonl it is not defined"));
  EXPECT_THAT(page, Not(HasSubstr("<b>")));
}

TEST(MatrixPage, HasACellForEveryCircuitOnEveryTask) {
  const Json points = matrix_points(made_up_matrix());
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[1]["circuit"], "more/a.json");
  EXPECT_EQ(points[1]["faithfulness"], 0.95);
  EXPECT_EQ(points[2]["task"], "b.jsonl");
  EXPECT_TRUE(points[2]["faithfulness"].is_null());
}

constexpr const char* kMatrixProbe = R"js(
  const at = (id) => document.getElementById(id);
  const texts = async (id) => [...(await at(id).view.view.toSVG()).matchAll(/<text[^>]*>([^<]*)</g)].map((m) => m[1]).join(" ");
  const seen = { matrix: await texts("matrix"), overlap: await texts("overlap"), rows: at("points").tBodies[0].rows.length };
  let saved;
  URL.createObjectURL = (blob) => { saved = blob; return "#"; };
  at("csv").click();
  seen.csv = await saved.text();
)js";

TEST(MatrixPageInBrowser, IsDrawnAtTwoWidths) {
  const std::string browser = find_browser();
  if (browser.empty()) GTEST_SKIP() << "no chromium on this machine: the page was not opened in a browser";
  const fs::path folder = fs::temp_directory_path() / ("circuit-matrix-page-test-" + std::to_string(getpid()));
  fs::create_directories(folder);
  write_page(folder.string(), render_matrix(made_up_matrix(), {}), kMatrixProbe);
  for (const int width : {390, 1280}) {
    const Json seen = seen_in_frame(browser, folder.string(), width);
    // Cells from the strongly to the faintly filled, those without a value, columns, rows.
    EXPECT_EQ(seen["matrix"],
              "0.80 0.95 not defined not defined runs/a.json more/a.json circuit &lt;b&gt;.jsonl b.jsonl task")
        << seen;
    EXPECT_EQ(seen["overlap"], "1.00 1.00 0.25 0.25 runs/a.json more/a.json circuit runs/a.json more/a.json circuit")
        << seen;
    EXPECT_EQ(seen["rows"], 4) << seen;
    EXPECT_THAT(seen["csv"].get<std::string>(), HasSubstr("0.95")) << seen;
    EXPECT_LE(seen["overflow"], 0) << seen;
    EXPECT_TRUE(seen["problems"].empty()) << seen;
    EXPECT_EQ(seen["console"], "") << seen;
  }
  fs::remove_all(folder);
}

TEST(FaithfulnessChart, HasAPointASizeAndTheCircuit) {
  const Json points = faithfulness_points(made_up());
  EXPECT_EQ(points.size(), 2 * curve_shares().size() + 1);
  EXPECT_EQ(points.back()["series"], kEvaluated);
  EXPECT_NEAR(points.back()["share"].get<double>(), 200.0 / 32491, 1e-12);
  EXPECT_EQ(points.back()["edges_run"], 187);
  EXPECT_EQ(points[3]["edges"], 324);
  EXPECT_EQ(points[3]["edges_run"], 322);
}

TEST(FaithfulnessChart, EveryLayerOverSizesHasAScaleOfItsOwn) {
  const Json spec = faithfulness_spec(faithfulness_points(made_up()));
  int over_sizes = 0;
  for (const Json& layer : spec["layer"]) {
    if (!layer["encoding"].contains("x")) continue;
    ++over_sizes;
    EXPECT_EQ(layer["encoding"]["x"]["scale"]["type"], "log");
  }
  EXPECT_EQ(over_sizes, 5);
}

constexpr const char* kEvaluationProbe = R"js(
  const at = (id) => document.getElementById(id), cells = (n) => [...at("points").tBodies[0].rows].map((r) => r.cells[n].textContent);
  const pause = () => new Promise((done) => setTimeout(done, 300));
  const seen = { rows: cells(0).length, first: cells(4)[0] };
  const sort = at("points").tHead.rows[0].cells[4].querySelector("button");
  sort.focus();
  seen.focused = document.activeElement === sort;
  sort.click();
  seen.ascending = cells(4)[0];
  sort.click();
  seen.descending = cells(4)[0];
  seen.aria = at("points").tHead.rows[0].cells[4].getAttribute("aria-sort");
  let saved;
  URL.createObjectURL = (blob) => { saved = blob; return "#"; };
  at("csv").click();
  seen.csv = await saved.text();
  const canvas = document.querySelector(".chart canvas"), box = canvas.getBoundingClientRect();
  for (const kind of ["pointerover", "pointermove"]) {
    canvas.dispatchEvent(new PointerEvent(kind, { clientX: box.x + box.width / 2, clientY: box.y + 80, bubbles: true }));
  }
  seen.tooltip = document.querySelector("#vg-tooltip-element")?.textContent ?? "";
  const ticks = () => at("faithfulness").view.view.scale("x").type;
  seen.scale = ticks();
  document.querySelector("input[value=linear]").click();
  await pause();
  seen.other = ticks();
)js";

TEST(EvaluationPageInBrowser, IsDrawnAndWorksAtTwoWidths) {
  const std::string browser = find_browser();
  if (browser.empty()) GTEST_SKIP() << "no chromium on this machine: the page was not opened in a browser";
  const fs::path folder = fs::temp_directory_path() / ("circuit-evaluation-page-test-" + std::to_string(getpid()));
  fs::create_directories(folder);
  write_page(folder.string(), render_evaluation(made_up(), {}, names(), {}), kEvaluationProbe);
  for (const int width : {390, 1280}) {
    const Json seen = seen_in_frame(browser, folder.string(), width);
    EXPECT_EQ(seen["rows"], 21) << seen;
    EXPECT_EQ(seen["focused"], true) << seen;
    EXPECT_EQ(seen["ascending"], "0.001") << seen;
    EXPECT_EQ(seen["descending"], "1.000") << seen;
    EXPECT_EQ(seen["aria"], "descending") << seen;
    EXPECT_THAT(seen["csv"].get<std::string>(), HasSubstr("\"by |score|\"")) << seen;
    EXPECT_THAT(seen["tooltip"].get<std::string>(), HasSubstr("edges run")) << seen;
    EXPECT_EQ(seen["scale"], "log") << seen;
    EXPECT_EQ(seen["other"], "linear") << seen;
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
