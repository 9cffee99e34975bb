#include "report/run_page/run_page.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/log.h"
#include "io/files.h"
#include "io/outputs.h"
#include "report/live/live.h"
#include "report/run_page/comparison.h"

namespace circuit {
namespace {

struct ReportArguments {
  CommonOptions common;
  std::vector<std::string> runs;
  std::string out;
  bool table = false;
  bool serve = false;
  int port = 0;
};

void say(const ReportArguments& o, const std::string& path) {
  fmt::print("{}\n", o.common.json ? Json({{"report", path}}).dump() : path);
}

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

int serve(const ReportArguments& o) {
  if (!o.out.empty() || o.table) throw UsageError("[report] --serve writes nothing: leave -o and --table out.");
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  const auto started = [&](const std::string& url) {
    fmt::print("{}\n", o.common.json ? Json({{"url", url}}).dump() : url);
    std::fflush(stdout);
    log_info("Open it in a browser on this machine. Ctrl-C ends it.");
  };
  serve_report(o.runs, o.port, started, [] { return interrupted != 0; });
  return 0;
}

int run(const ReportArguments& o) {
  set_quiet(o.common.quiet);
  if (o.serve) return serve(o);
  if (o.port != 0) throw UsageError("[report] --port: there is nothing to listen for without --serve.");
  if (o.table && o.common.json) throw UsageError("[report] --table is for people: leave --json out, or query run.db.");
  check_outputs(o.runs, {{"-o", o.out}});
  if (o.table) fmt::print("{}", comparison_table(o.runs));
  if (o.out.empty() && o.runs.size() > 1) throw UsageError("[report] several runs need -o FILE for their common page.");
  if (o.out.empty()) {
    write_report(o.runs[0]);
    say(o, o.runs[0] + "/report.html");
    return 0;
  }
  write_file(o.out, render_report(o.runs));
  say(o, o.out);
  return 0;
}

}  // namespace

void add_report(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<ReportArguments>();
  CLI::App* command = program.add_subcommand("report", "one HTML page of a run, or of several side by side");
  command->footer(
      "Examples:\n  circuit report runs/circuit\n"
      "  circuit report runs/circuit runs/full -o both.html --table\n"
      "  circuit report runs/circuit --serve --port 8000");
  command->add_option("RUN", o->runs, "run directories")->required();
  command->add_option("-o,--out", o->out, "file to write (default: RUN/report.html)");
  command->add_flag("--serve", o->serve,
                    "serve the page on 127.0.0.1 instead, following runs that go on; nothing is written");
  command->add_option("--port", o->port, "of --serve (default: a free one)")->check(between(0, 65535));
  command->add_flag("--table", o->table, "also print the runs side by side");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
