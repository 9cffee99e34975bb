// Opens the page in a headless Chromium where one is installed: everything is drawn, the controls work,
// nothing is logged as an error, nothing is fetched, nothing is wider than the window. Not a build
// requirement: skipped otherwise.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "report/browser.h"
#include "report/report.h"
#include "report/synthetic_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// Works the page once it is ready and tells the page around it what it saw.
constexpr const char* kProbe = R"js(
  const at = (id) => document.getElementById(id), edges = () => document.querySelectorAll(".edge-line").length;
  const seen = { charts: document.querySelectorAll(".chart canvas").length, edges: edges() };
  at("limit").value = "50";
  at("limit").dispatchEvent(new Event("change"));
  seen.fewer = edges();
  at("discovery").value = "0";
  at("discovery").dispatchEvent(new Event("input"));
  seen.state = document.querySelector(".state").textContent;
  seen.rows = document.querySelectorAll("#strongest tbody tr").length;
  const node = document.querySelector("g.node[tabindex]");
  node.focus();
  seen.tip = !document.querySelector(".tip").hidden;
  seen.label = node.getAttribute("aria-label");
  at("play").click();
  seen.play = at("play").textContent;
  at("play").click();
  const canvas = document.querySelector(".chart canvas"), box = canvas.getBoundingClientRect();
  for (const kind of ["pointerover", "pointermove"]) {
    canvas.dispatchEvent(new PointerEvent(kind, { clientX: box.x + box.width / 2, clientY: box.y + 60, bubbles: true }));
  }
  seen.tooltip = document.querySelector("#vg-tooltip-element")?.textContent ?? "";
)js";

TEST(ReportInBrowser, IsDrawnAndWorksAtTwoWidths) {
  const std::string browser = find_browser();
  if (browser.empty()) GTEST_SKIP() << "no chromium on this machine: the page was not opened in a browser";
  const fs::path folder = fs::temp_directory_path() / ("circuit-browser-test-" + std::to_string(getpid()));
  const std::string run = (folder / "run").string();
  write_synthetic_run(run, {});
  write_page(folder.string(), render_report({run}), kProbe);

  for (const int width : {390, 1280}) {
    const Json seen = seen_in_frame(browser, folder.string(), width);
    EXPECT_EQ(seen["charts"], 14) << seen;
    EXPECT_EQ(seen["edges"], 200) << seen;
    EXPECT_EQ(seen["fewer"], 50) << seen;
    EXPECT_EQ(seen["rows"], 20) << seen;
    EXPECT_EQ(seen["state"].get<std::string>().rfind("Step 0: 200 edges", 0), 0u) << seen;
    EXPECT_EQ(seen["tip"], true) << seen;
    EXPECT_EQ(seen["play"], "❚❚ Pause") << seen;
    EXPECT_NE(seen["tooltip"].get<std::string>().find("step"), std::string::npos) << seen;
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
