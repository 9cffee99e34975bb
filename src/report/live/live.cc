#include "report/live/live.h"

#include <fmt/core.h>

#include "report/live/page_server.h"
#include "report/run_page/run_data.h"
#include "report/run_page/run_page.h"

namespace circuit {

std::string runs_state(const std::vector<std::string>& run_folders) {
  std::string state;
  for (const std::string& folder : run_folders) {
    RunReader run = open_run(folder);
    const RunReader::Counts counts = run.counts();
    state += fmt::format("{} steps, {} discoveries, {} evaluations, {}; ", counts.steps, counts.discoveries,
                         counts.evaluations, run.meta("status").value_or("no status"));
  }
  return state;
}

void serve_report(const std::vector<std::string>& run_folders, int port,
                  const std::function<void(const std::string& url)>& started, const std::function<bool()>& stop) {
  std::string state, page;
  const auto refresh = [&] {
    const std::string now = runs_state(run_folders);
    if (now == state) return;
    page = render_report(run_folders, now);
    state = now;
  };
  refresh();
  PageServer server(port, [&](const std::string& path) -> Response {
    if (path == "/state") return {200, "text/plain; charset=utf-8", runs_state(run_folders)};
    if (path != "/") return {404, "text/plain; charset=utf-8", "There is / and /state.\n"};
    refresh();
    return {200, "text/html; charset=utf-8", page};
  });
  started(fmt::format("http://127.0.0.1:{}/", server.port()));
  server.serve(stop);
}

}  // namespace circuit
