// The report page of the largest run it is made for: how large it is, how long it takes to write, and in a
// headless Chromium how long until it is painted, until the circuit is drawn, and for the slider to move.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "groups.h"
#include "measure.h"
#include "report/kit/browser.h"
#include "report/run_page/run_page.h"
#include "store/synthetic_run.h"

namespace circuit::bench {
namespace {

namespace fs = std::filesystem;

// Waits for the drawing, then moves the slider through the run and reads a pixel back, so that every move is
// drawn to its end.
constexpr const char* kProbe = R"js(
<script>
addEventListener("DOMContentLoaded", async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const wait = async (ready) => { while (!ready()) await new Promise((done) => setTimeout(done, 5)); return performance.now(); };
  const circuit = await wait(() => document.body.dataset.explorer === "ready");
  const all = await wait(() => document.body.dataset.state === "ready");
  const slider = document.getElementById("discovery");
  const moves = async (place) => {
    place.scrollIntoView();
    const times = [], canvases = [...document.querySelectorAll("#heat canvas, #drawing canvas, #course canvas")];
    for (let i = 0; i < 20; ++i) {
      await frame();
      const start = performance.now();
      slider.value = Math.round((slider.max * i) / 19);
      slider.dispatchEvent(new Event("input"));
      for (const canvas of canvases) canvas.getContext("2d").getImageData(0, 0, 1, 1);
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[10];
  };
  const heat = await moves(document.getElementById("explore")), drawing = await moves(document.querySelector("#drawing canvas"));
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN;
  console.log("@@" + JSON.stringify({ paint, circuit, all, heat, drawing }) + "@@");
});
</script>
)js";

// What the page says of itself on the console; an empty object when it never does.
Json timings(const std::string& browser, const fs::path& folder) {
  const std::string log = (folder / "log").string();
  const OpenBrowser open(browser, "file://" + (folder / "page.html").string(), (folder / "profile").string(), log);
  Json seen = Json::object();
  for (int tenths = 0; tenths < 1200; ++tenths) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (!file_exists(log)) continue;
    const std::string text = read_file(log);
    const size_t begin = text.find("@@{"), end = begin == std::string::npos ? begin : text.find("}@@", begin);
    if (end == std::string::npos) continue;
    seen = Json::parse(text.substr(begin + 2, end + 1 - begin - 2));
    break;
  }
  return seen;
}

struct Case {
  std::string name;
  SyntheticRun run;
};

void measure(const Case& c, const fs::path& folder, const std::string& browser) {
  const std::string run = (folder / "run").string();
  fs::remove_all(folder);
  write_synthetic_run(run, c.run);
  std::string page;
  const double time = seconds([&] { page = render_report({run}); });
  row("page: " + c.name, static_cast<double>(page.size()) / 1e6, "MB", "<= 30");
  row("  written in", time, "s", "");
  if (browser.empty()) {
    row("  in a browser: none is installed, not measured", 0, "", "");
    return;
  }
  page.insert(page.find("</head>"), kProbe);
  write_file((folder / "page.html").string(), page);
  const Json seen = timings(browser, folder);
  const auto milliseconds = [&](const char* name, const char* key, const char* target) {
    row(name, seen.contains(key) && seen[key].is_number() ? seen[key].get<double>() : -1, "ms", target);
  };
  milliseconds("  first contentful paint", "paint", "");
  milliseconds("  circuit drawn, slider usable", "circuit", "");
  milliseconds("  all charts drawn", "all", "");
  milliseconds("  slider moved, heat map and course in view", "heat", "<= 100");
  milliseconds("  slider moved, drawing in view", "drawing", "<= 100");
}

SyntheticRun shape(int layers, int heads, int kv_heads, int discoveries, int circuit_size) {
  SyntheticRun run;
  run.layers = layers;
  run.heads = heads;
  run.kv_heads = kv_heads;
  run.steps = discoveries;
  run.discovery_every = 1;
  run.circuit_size = circuit_size;
  return run;
}

}  // namespace

void page(const Options& options) {
  title("the report page, in a headless Chromium where one is installed");
  const fs::path folder = fs::temp_directory_path() / fmt::format("circuit-bench-page-{}", getpid());
  const std::string browser = find_browser();
  std::vector<Case> cases{{"1 discovery, 150 edges", shape(2, 3, 3, 1, 50)},
                          {"300 discoveries, 927 edges", shape(4, 6, 6, 300, 300)},
                          {"200 discoveries, 32,491 edges", shape(12, 12, 12, 200, 1000)}};
  if (options.large) cases.push_back({"2,000 discoveries, 195,865 edges", shape(16, 32, 8, 2000, 5000)});
  for (const Case& c : cases) measure(c, folder, browser);
  fs::remove_all(folder);
}

}  // namespace circuit::bench
