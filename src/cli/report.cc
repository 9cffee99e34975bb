#include "report/report.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "core/log.h"
#include "io/files.h"
#include "report/comparison.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::vector<std::string> runs;
  std::string out;
  bool table = false;
};

void say(const Options& o, const std::string& path) {
  fmt::print("{}\n", o.common.json ? Json({{"report", path}}).dump() : path);
}

int run(const Options& o) {
  set_quiet(o.common.quiet);
  if (o.table && o.common.json) throw UsageError("[report] --table is for people: leave --json out, or query run.db.");
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
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("report", "one HTML page of a run, or of several side by side");
  command->footer("Examples:\n  circuit report runs/circuit\n"
                  "  circuit report runs/circuit runs/full -o both.html --table");
  command->add_option("RUN", o->runs, "run directories")->required();
  command->add_option("-o,--out", o->out, "file to write (default: RUN/report.html)");
  command->add_flag("--table", o->table, "also print the runs side by side");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
