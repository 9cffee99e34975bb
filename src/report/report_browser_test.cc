// Opens the page in a headless Chromium where one is installed: everything is drawn, the controls work,
// nothing is logged as an error, nothing is fetched, nothing is wider than the window. Not a build
// requirement: skipped otherwise.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "io/files.h"
#include "report/report.h"
#include "report/synthetic_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

std::string find_browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system(("command -v " + std::string(name) + " >/dev/null 2>&1").c_str()) == 0) return name;
  }
  return "";
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  while (const size_t n = fread(buffer, 1, sizeof(buffer), pipe)) text.append(buffer, n);
  pclose(pipe);
  return text;
}

// Works the page once it is ready and tells the page around it what it saw.
constexpr const char* kProbe = R"js(
<script>
const problems = [];
addEventListener("error", (e) => problems.push("error: " + e.message));
addEventListener("unhandledrejection", (e) => problems.push("rejection: " + e.reason));
addEventListener("securitypolicyviolation", (e) => problems.push("fetch: " + e.blockedURI));
const wait = setInterval(() => {
  if (document.body.dataset.state !== "ready") return;
  clearInterval(wait);
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
  seen.width = innerWidth;
  seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.requests = performance.getEntriesByType("resource").length;
  seen.problems = problems;
  parent.postMessage("@@" + btoa(unescape(encodeURIComponent(JSON.stringify(seen)))) + "@@", "*");
}, 20);
</script>
)js";

// A browser window has a smallest width, a frame has none.
std::string page_around(int width) {
  return "<body><iframe src=\"page.html\" style=\"border: 0; width: " + std::to_string(width) +
         "px; height: 900px\"></iframe><output></output><script>addEventListener(\"message\", (e) => "
         "{ document.querySelector(\"output\").textContent = e.data; });</script>";
}

std::string from_base64(const std::string& text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kDigits.find(c));
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>(bits >> held & 0xFF);
  }
  return bytes;
}

TEST(ReportInBrowser, IsDrawnAndWorksAtTwoWidths) {
  const std::string browser = find_browser();
  if (browser.empty()) GTEST_SKIP() << "no chromium on this machine: the page was not opened in a browser";
  const fs::path folder = fs::temp_directory_path() / ("circuit-browser-test-" + std::to_string(getpid()));
  const std::string run = (folder / "run").string();
  write_synthetic_run(run, {});
  std::string page = render_report({run});
  page.insert(page.find("</head>"), kProbe);
  write_file((folder / "page.html").string(), page);

  for (const int width : {390, 1280}) {
    write_file((folder / "around.html").string(), page_around(width));
    const std::string output = output_of(
        "timeout 120 " + browser +
        " --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr "
        "--user-data-dir=" +
        (folder / "profile").string() +
        " --window-size=1400,1000 --virtual-time-budget=20000 --dump-dom file://" +
        (folder / "around.html").string() + " 2>" + (folder / "log").string());
    const size_t begin = output.rfind("@@", output.rfind("@@</output>") - 1);
    ASSERT_NE(output.rfind("@@</output>"), std::string::npos) << read_file((folder / "log").string());
    const Json seen =
        Json::parse(from_base64(output.substr(begin + 2, output.rfind("@@</output>") - begin - 2)));
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
    EXPECT_EQ(read_file((folder / "log").string()).find("CONSOLE"), std::string::npos)
        << read_file((folder / "log").string());
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace circuit
