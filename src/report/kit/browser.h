// What the tests that open a page in a headless Chromium share. The page tells a page around it what a probe
// saw; every probe also sees what went wrong: errors, refused fetches, requests, what is wider than the
// window.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "io/files.h"
#include "io/json.h"

namespace circuit {

inline std::string find_browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system(("command -v " + std::string(name) + " >/dev/null 2>&1").c_str()) == 0) return name;
  }
  return "";
}

inline std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  while (const size_t n = fread(buffer, 1, sizeof(buffer), pipe)) text.append(buffer, n);
  pclose(pipe);
  return text;
}

constexpr const char* kProbeStart = R"js(
<script>
const problems = [];
addEventListener("error", (e) => problems.push("error: " + e.message));
addEventListener("unhandledrejection", (e) => problems.push("rejection: " + e.reason));
addEventListener("securitypolicyviolation", (e) => problems.push("fetch: " + e.blockedURI));
const wait = setInterval(async () => {
  if (document.body.dataset.state !== "ready") return;
  clearInterval(wait);
)js";
constexpr const char* kProbeEnd = R"js(
  seen.width = innerWidth;
  seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.requests = performance.getEntriesByType("resource").length;
  seen.problems = problems;
  parent.postMessage("@@" + btoa(unescape(encodeURIComponent(JSON.stringify(seen)))) + "@@", "*");
}, 20);
</script>
)js";

// folder/page.html: the page, and a probe that works it once it is ready and fills `seen`.
inline void write_page(const std::string& folder, std::string page, const std::string& probe) {
  page.insert(page.find("</head>"), kProbeStart + probe + kProbeEnd);
  write_file(folder + "/page.html", page);
}

// A browser window has a smallest width, a frame has none.
inline std::string page_around(int width) {
  return "<body><iframe src=\"page.html\" style=\"border: 0; width: " + std::to_string(width) +
         "px; height: 900px\"></iframe><output></output><script>addEventListener(\"message\", (e) => "
         "{ document.querySelector(\"output\").textContent = e.data; });</script>";
}

inline std::string from_base64(const std::string& text) {
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

// A headless browser that stays open at a page, in true time, until it is destroyed. Its console goes to
// `log`.
class OpenBrowser {
 public:
  OpenBrowser(const std::string& browser, const std::string& url, const std::string& profile, const std::string& log) {
    const std::string user_data = "--user-data-dir=" + profile;
    child_ = fork();
    if (child_ != 0) return;
    // The browser's own children belong to the group, to be ended with it.
    setpgid(0, 0);
    if (freopen(log.c_str(), "w", stderr) == nullptr || freopen("/dev/null", "w", stdout) == nullptr) _exit(1);
    execlp(browser.c_str(), browser.c_str(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
           "--window-size=1280,1000", "--remote-debugging-port=0", user_data.c_str(), url.c_str(), nullptr);
    _exit(1);
  }
  ~OpenBrowser() {
    kill(-child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }
  OpenBrowser(const OpenBrowser&) = delete;
  OpenBrowser& operator=(const OpenBrowser&) = delete;

 private:
  pid_t child_ = -1;
};

// What the probe of folder/page.html saw in a frame of that width; `console`: lines that were logged there.
inline Json seen_in_frame(const std::string& browser, const std::string& folder, int width) {
  write_file(folder + "/around.html", page_around(width));
  const std::string log = folder + "/log";
  const std::string output =
      output_of("timeout 120 " + browser +
                " --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
                "--disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr "
                "--user-data-dir=" +
                folder + "/profile --window-size=1400,1000 --virtual-time-budget=20000 --dump-dom file://" + folder +
                "/around.html 2>" + log);
  const size_t end = output.rfind("@@</output>");
  if (end == std::string::npos) throw std::runtime_error("the page was never ready: " + read_file(log));
  const size_t begin = output.rfind("@@", end - 1);
  Json seen = Json::parse(from_base64(output.substr(begin + 2, end - begin - 2)));
  const std::string logged = read_file(log);
  const size_t console = logged.find("CONSOLE");
  seen["console"] = console == std::string::npos ? "" : logged.substr(console);
  return seen;
}

}  // namespace circuit
