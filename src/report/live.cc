#include "report/live.h"

#include <fmt/core.h>

#include "core/error.h"
#include "io/files.h"
#include "io/sqlite.h"
#include "report/page_server.h"
#include "report/report.h"

namespace circuit {

std::string runs_state(const std::vector<std::string>& run_folders) {
  std::string state;
  for (const std::string& folder : run_folders) {
    const std::string path = folder + "/run.db";
    if (!file_exists(path))
      fail("report " + folder, "run.db: not there, expected a run folder written by `circuit tune`.");
    Database database(path, Database::Mode::kReadOnly);
    auto row = database.prepare(
        "SELECT (SELECT COUNT(*) FROM steps), (SELECT COUNT(*) FROM discoveries), (SELECT COUNT(*) FROM "
        "evaluations), "
        "(SELECT value FROM meta WHERE key = 'status')");
    row.step();
    state += fmt::format("{} steps, {} discoveries, {} evaluations, {}; ", row.integer(0), row.integer(1),
                         row.integer(2), row.is_null(3) ? "no status" : row.text(3));
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
