// Opens the page in a headless Chromium where one is installed: everything is drawn, the controls work,
// nothing is logged as an error, nothing is fetched, nothing is wider than the window. Not a build
// requirement: skipped otherwise.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "report/kit/browser.h"
#include "report/run_page/run_page.h"
#include "store/synthetic_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// Works the page once it is ready and tells the page around it what it saw.
constexpr const char* kProbe = R"js(
  const at = (id) => document.getElementById(id), seen = {};
  const set = (id, value, kind) => { at(id).value = value; at(id).dispatchEvent(new Event(kind)); };
  const frame = () => new Promise((done) => setTimeout(done, 300));
  const pixels = (canvas) => canvas.toDataURL();
  const key = (target, name) => target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  const click = (canvas, x, y) => {
    const box = canvas.getBoundingClientRect();
    for (const kind of ["pointermove", "click"]) canvas.dispatchEvent(new MouseEvent(kind, { clientX: box.x + x, clientY: box.y + y, bubbles: true }));
  };
  const cells = (table, column) => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent);
  seen.charts = document.querySelectorAll(".chart canvas").length;

  // The slider moves the heat map, the drawing and the table.
  const heat = document.querySelector("#heat canvas"), drawing = document.querySelector("#drawing canvas");
  const before = [pixels(heat), pixels(drawing), at("strongest").textContent];
  set("discovery", 0, "input");
  await frame();
  const after = [pixels(heat), pixels(drawing), at("strongest").textContent];
  seen.moved = before.map((value, i) => value !== after[i]);
  seen.state = at("state").textContent;
  seen.valuetext = at("discovery").getAttribute("aria-valuetext");
  set("limit", 50, "input");
  seen.drawn = at("drawn").textContent;
  set("limit", 200, "input");
  document.querySelector("[data-into=logits]").click();
  seen.filtered = at("drawn").textContent;
  document.querySelector("[data-into=logits]").click();
  set("least", 50, "input");
  seen.strong = at("drawn").textContent;
  set("least", 0, "input");
  set("discovery", 5, "input");
  await frame();
  set("change", "entered-previous", "input");
  seen.entered = at("drawn").textContent;
  seen.now = at("state").textContent;
  set("change", "left-first", "input");
  seen.left = at("drawn").textContent;
  set("change", "all", "input");

  // A node of the heat map by pointer, one by keys, an edge of the table's figure by pointer.
  const course = at("course");
  click(heat, 40, 40);
  seen.hovered = document.querySelector(".tip").textContent;
  seen.node = course.querySelector("h3").textContent;
  heat.focus();
  key(heat, "ArrowRight");
  key(heat, "ArrowRight");
  key(heat, "Enter");
  seen.byKey = course.querySelector("h3").textContent;
  seen.spoken = at("heat").querySelector("[aria-live]").textContent;
  key(drawing, "ArrowRight");
  key(drawing, "Enter");
  seen.drawnNode = course.querySelector("h3").textContent;
  for (let x = 60; x < drawing.clientWidth && !course.textContent.includes("Score of the edge"); x += 2) click(drawing, x, drawing.clientHeight * 0.42);
  seen.edge = course.querySelector("p").textContent;

  // Play with space; a table sorted; data of a figure; a comparison.
  at("discovery").focus();
  key(at("discovery"), " ");
  seen.play = at("play").textContent;
  key(at("discovery"), " ");
  seen.paused = at("play").textContent;
  const head = at("strongest").tHead.rows[0].cells;
  head[0].querySelector("button").click();
  seen.sorted = [head[0].getAttribute("aria-sort"), cells(at("strongest"), 0)];
  seen.rows = at("strongest").tBodies[0].rows.length;
  const evaluations = document.querySelector("table[data-name]");
  evaluations.tHead.rows[0].cells[3].querySelector("button").click();
  seen.evaluations = [...evaluations.tBodies[0].rows].map((row) => +row.cells[3].dataset.value);
  seen.figures = document.querySelectorAll("figure").length;
  seen.buttons = document.querySelectorAll(".data-button").length;
  const saved = [];
  URL.createObjectURL = (blob) => { saved.push(blob); return "#"; };
  document.querySelector(".grid figure:has(.chart) .data-button").click();
  seen.dialog = document.querySelector("dialog").open;
  seen.shown = document.querySelectorAll("dialog tbody tr").length;
  document.querySelector("dialog .csv").click();
  seen.csv = (await saved[0].text()).split("\r\n").slice(0, 2);
  document.querySelector("dialog .close").click();
  await frame();
  seen.closed = !document.querySelector("dialog");
  seen.compared = at("compared").textContent;
  set("step-A", 29, "input");
  seen.same = at("compared").textContent;
  document.querySelector("[data-state=shared]").click();
  seen.unshared = at("changes").tBodies[0].rows.length;

  // The data of a figure are those of the step at which they were asked for.
  set("discovery", 3, "input");
  await frame();
  document.querySelector("#heat .data-button").click();
  const column = () => cells(document.querySelector("dialog table"), 1).join();
  const asked = column();
  set("discovery", 20, "input");
  await frame();
  for (let i = 0; i < 2; ++i) document.querySelectorAll("dialog th button")[0].click();
  for (let i = 0; i < 2; ++i) document.querySelectorAll("dialog th button")[1].click();
  seen.kept = [...asked.split(",")].sort().join() === [...column().split(",")].sort().join();
  document.querySelector("dialog").dispatchEvent(new PointerEvent("pointerdown", { clientX: innerWidth / 2, clientY: innerHeight / 2, bubbles: true }));
  seen.open = !!document.querySelector("dialog");
  document.querySelector("dialog").dispatchEvent(new PointerEvent("pointerdown", { clientX: 1, clientY: 1, bubbles: true }));
  seen.shut = !document.querySelector("dialog");

  // What is missing stands last, whichever way a table is sorted.
  const made = document.createElement("table");
  made.innerHTML = "<thead><tr><th><button></button></th></tr></thead><tbody>" + ["2", "", "-1", "x", "10"].map((v) => `<tr><td data-value="${v}">${v}</td></tr>`).join("") + "</tbody>";
  sortTable(made, 0, false);
  seen.rising = cells(made, 0);
  sortTable(made, 0, true);
  seen.falling = cells(made, 0);

  const canvas = document.querySelector(".grid .chart canvas"), box = canvas.getBoundingClientRect();
  for (const kind of ["pointerover", "pointermove"]) {
    canvas.dispatchEvent(new PointerEvent(kind, { clientX: box.x + box.width / 2, clientY: box.y + 60, bubbles: true }));
  }
  seen.tooltip = document.querySelector("#vg-tooltip-element")?.textContent ?? "";
)js";

constexpr int kWidths[] = {390, 1280};

class ReportInBrowser : public testing::Test {
 protected:
  void SetUp() override {
    browser_ = find_browser();
    if (browser_.empty()) GTEST_SKIP() << "no chromium on this machine: the page was not opened in a browser";
    folder_ = fs::temp_directory_path() / ("circuit-browser-test-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string make(const std::string& name, const SyntheticRun& spec = {}) const {
    write_synthetic_run((folder_ / name).string(), spec);
    return (folder_ / name).string();
  }
  // Works the page of the runs, in a frame of that width.
  Json work(const std::vector<std::string>& runs, const std::string& probe, int width) const {
    write_page(folder_.string(), render_report(runs), probe);
    return seen_in_frame(browser_, folder_.string(), width);
  }
  static void expect_sound(const Json& seen, int width) {
    EXPECT_EQ(seen["width"], width) << seen;
    EXPECT_LE(seen["overflow"], 0) << seen;
    EXPECT_EQ(seen["requests"], 0) << seen;
    EXPECT_TRUE(seen["problems"].empty()) << seen;
    EXPECT_EQ(seen["console"], "") << seen;
  }
  std::string browser_;
  fs::path folder_;
};

TEST_F(ReportInBrowser, IsDrawnAndWorksAtTwoWidths) {
  const std::string run = make("run");
  for (const int width : kWidths) {
    const Json seen = work({run}, kProbe, width);
    const auto text = [&](const char* key) { return seen[key].get<std::string>(); };
    expect_sound(seen, width);
    EXPECT_EQ(seen["charts"], 15) << seen;
    EXPECT_EQ(seen["moved"], Json::parse("[true, true, true]")) << seen;
    EXPECT_EQ(text("state").rfind("Step 0: 200 edges between", 0), 0u) << seen;
    EXPECT_EQ(seen["valuetext"], "step 0") << seen;
    EXPECT_EQ(text("drawn").rfind("Drawn: 50 of 200 edges", 0), 0u) << seen;
    EXPECT_NE(text("filtered"), "All 200 edges drawn.") << seen;
    EXPECT_NE(text("strong"), text("filtered")) << seen;
    // What the filter shows is what the sentence counts.
    const std::string entered = text("entered"), now = text("now");
    const std::string counted = entered.substr(4, entered.find(' ', 4) - 4);
    EXPECT_NE(now.find("; " + counted + " entered, "), std::string::npos) << seen;
    EXPECT_EQ(text("left").rfind("All ", 0), 0u) << seen;
    EXPECT_EQ(text("node"), "a3.h0 over the run") << seen;
    EXPECT_EQ(text("hovered").rfind("a3.h0\n", 0), 0u) << seen;
    EXPECT_NE(text("byKey"), text("node")) << seen;
    EXPECT_EQ(text("spoken").rfind(text("byKey").substr(0, 5), 0), 0u) << seen;
    EXPECT_NE(text("drawnNode"), text("byKey")) << seen;
    EXPECT_EQ(text("edge").rfind("Score of the edge; in the circuit at ", 0), 0u) << seen;
    EXPECT_EQ(seen["play"], "❚❚ Pause") << seen;
    EXPECT_EQ(seen["paused"], "▶ Play") << seen;
    EXPECT_EQ(seen["rows"], 20) << seen;
    EXPECT_EQ(seen["sorted"][0], "ascending") << seen;
    const auto names = seen["sorted"][1].get<std::vector<std::string>>();
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << seen;
    const auto values = seen["evaluations"].get<std::vector<double>>();
    EXPECT_TRUE(std::is_sorted(values.begin(), values.end())) << seen;
    EXPECT_EQ(seen["figures"], seen["buttons"].get<int>() + 1) << seen;  // the comparison's data is the table below it
    EXPECT_EQ(seen["dialog"], true) << seen;
    EXPECT_GT(seen["shown"], 10) << seen;
    EXPECT_EQ(seen["csv"], Json::parse(R"(["series,step,value", "dev,0,-3.41"])")) << seen;
    EXPECT_EQ(seen["closed"], true) << seen;
    EXPECT_EQ(seen["kept"], true) << seen;
    EXPECT_EQ(seen["open"], true) << seen;
    EXPECT_EQ(seen["shut"], true) << seen;
    EXPECT_EQ(seen["rising"], Json::parse(R"(["-1", "2", "10", "x", ""])")) << seen;
    EXPECT_EQ(seen["falling"], Json::parse(R"(["x", "10", "2", "-1", ""])")) << seen;
    EXPECT_NE(text("compared"), text("same")) << seen;
    EXPECT_NE(text("same").find("share 200 edges; 0 are only in A and 0 only in B (Jaccard index 1.00)"),
              std::string::npos)
        << seen;
    EXPECT_EQ(seen["unshared"], 0) << seen;
    EXPECT_NE(text("tooltip").find("step"), std::string::npos) << seen;
  }
}

// Two runs of graphs that differ: one is chosen, the other, and their last circuits are compared by name.
constexpr const char* kTwoRunsProbe = R"js(
  const at = (id) => document.getElementById(id), seen = {};
  seen.first = at("state").textContent;
  at("run").value = "1";
  at("run").dispatchEvent(new Event("change"));
  seen.second = at("state").textContent;
  seen.compared = at("compared").textContent;
  seen.rows = at("changes").tBodies[0].rows.length;
  seen.sliders = ["discovery", "step-A", "step-B"].map((id) => at(id).getBoundingClientRect().width);
)js";

TEST_F(ReportInBrowser, RunsAreComparedSideBySide) {
  SyntheticRun grouped;
  grouped.kv_heads = 2;
  grouped.mlp_blocks = 3;
  grouped.circuit_size = 100;
  // As long as a sweep's: the sliders keep their room beside them.
  const std::string a = make("a_lr-0.0003_seed-0_of-a-sweep"), b = make("b_lr-0.0003_seed-0_of-a-sweep", grouped);
  for (const int width : kWidths) {
    const Json seen = work({a, b}, kTwoRunsProbe, width);
    expect_sound(seen, width);
    EXPECT_EQ(seen["first"].get<std::string>().rfind("Step 290: 200 edges", 0), 0u) << seen;
    EXPECT_EQ(seen["second"].get<std::string>().rfind("Step 290: 100 edges", 0), 0u) << seen;
    EXPECT_EQ(seen["compared"].get<std::string>().rfind("A (a_lr-0.0003_seed-0_of-a-sweep, step 290) and B (b_", 0), 0u)
        << seen;
    EXPECT_EQ(seen["rows"], 20) << seen;
    for (const Json& slider : seen["sliders"]) EXPECT_GT(slider.get<double>(), 120) << seen;
  }
}

// The first screen: what is beside and below what, and that nothing of it is cut off.
constexpr const char* kFirstScreenProbe = R"js(
  const seen = {}, box = (e) => { const { top, bottom, left, right } = e.getBoundingClientRect(); return { top, bottom, left, right }; };
  const table = document.querySelector(".first table");
  seen.picture = document.querySelector("#first-picture canvas") ? box(document.querySelector("#first-picture canvas")) : null;
  seen.table = box(table);
  seen.labels = Math.min(...[...table.querySelectorAll("th")].map((t) => t.getBoundingClientRect().width));
  seen.columns = table.tHead.rows[0].cells.length;
  seen.hidden = table.closest(".scroll").scrollWidth - table.closest(".scroll").clientWidth;
  seen.details = [...document.querySelectorAll("table[data-name]")].map((t) => ({ open: t.closest("details").open, top: t.closest("details").getBoundingClientRect().top }));
  const view = document.getElementById("first-picture")?.view.view;
  seen.scales = view ? ["x", "y"].map((name) => ({ type: view.scale(name).type, ends: view.scale(name).domain() })) : [];
  seen.legend = view ? view.scale("color").domain() : [];
)js";

TEST_F(ReportInBrowser, OpensWithOnePictureAndOneTable) {
  SyntheticRun spec;
  spec.steps = 60;
  const auto with = [&](const std::string& name, const std::string& sql) {
    std::string run = make(name, spec);
    if (!sql.empty()) Database(run + "/run.db", Database::Mode::kReadWrite).execute(sql);
    return run;
  };
  const std::string plain = with("circuit", "");
  const std::string strong = with("a-name-as-long-as_lr-0.0003_seed-0_of-a-sweep",
                                  "UPDATE evaluations SET value = value + step / 20.0 WHERE name IN ('dev/metric', "
                                  "'untouched/perplexity')");
  const std::string running = with(
      "running", "UPDATE meta SET value = 'running' WHERE key = 'status'; DELETE FROM evaluations WHERE step > 20");
  const std::string infinite =
      with("infinite",
           "UPDATE evaluations SET value = 9e999 WHERE name = 'untouched/perplexity' AND step > 10;"
           "UPDATE evaluations SET value = 'nan' WHERE name = 'dev/metric' AND step = 20");
  const std::string without = with("without", "DELETE FROM evaluations WHERE name = 'untouched/perplexity'");
  const std::vector<std::vector<std::string>> pages{
      {plain}, {plain, strong}, {plain, strong, running, infinite}, {plain, without}, {without}};
  for (const std::vector<std::string>& runs : pages) {
    for (const int width : kWidths) {
      SCOPED_TRACE(std::to_string(runs.size()) + " runs from " + runs[0] + ", " + std::to_string(width));
      const Json seen = work(runs, kFirstScreenProbe, width);
      expect_sound(seen, width);
      EXPECT_EQ(seen["columns"], runs.size() == 1 ? 3u : runs.size() + 1) << seen;
      ASSERT_EQ(seen["details"].size(), runs.size()) << seen;
      for (const Json& details : seen["details"]) {
        EXPECT_EQ(details["open"], false) << seen;
        EXPECT_GT(details["top"], seen["table"]["top"]) << seen;
      }
      EXPECT_GT(seen["labels"], 60) << seen;  // room for a word, however many columns there are
      if (runs.size() < 3) {
        EXPECT_LE(seen["hidden"], 0) << seen;
      }
      if (runs == pages.back()) continue;  // it has no picture of its own
      ASSERT_FALSE(seen["picture"].is_null()) << seen;
      // In the window as it opens; beside the table where there is room, else above it.
      EXPECT_GE(seen["picture"]["left"], 0) << seen;
      EXPECT_LE(seen["picture"]["right"], width) << seen;
      if (width == 1280) {
        EXPECT_LT(seen["picture"]["bottom"], 900) << seen;
      }
      const bool beside = width == 1280 && runs.size() <= 3;
      EXPECT_GE(seen["table"][beside ? "left" : "top"], seen["picture"][beside ? "right" : "bottom"]) << seen;
      for (const Json& scale : seen["scales"]) {
        for (const Json& end : scale["ends"]) EXPECT_TRUE(end.is_number()) << seen;
      }
      EXPECT_EQ(seen["legend"].size(), runs.size()) << seen;
    }
  }
}

TEST_F(ReportInBrowser, OneDiscoveryIsEnough) {
  SyntheticRun spec;
  spec.steps = 10;
  const Json seen =
      work({make("one", spec)}, "const seen = { state: document.getElementById('state').textContent };", 390);
  expect_sound(seen, 390);
  EXPECT_EQ(seen["state"].get<std::string>().rfind("Step 0: 200 edges", 0), 0u) << seen;
}

}  // namespace
}  // namespace circuit
