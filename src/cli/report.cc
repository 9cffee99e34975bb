#include "report/report.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "io/files.h"
#include "report/comparison.h"

namespace circuit {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string out;
  bool table = false;
};

int run(const Options& o) {
  if (o.table) fmt::print("{}", comparison_table(o.runs));
  if (o.out.empty() && o.runs.size() > 1) throw UsageError("[report] several runs need -o FILE for their common page.");
  if (o.out.empty()) {
    write_report(o.runs[0]);
    fmt::print("{}/report.html\n", o.runs[0]);
    return 0;
  }
  write_file(o.out, render_report(o.runs));
  fmt::print("{}\n", o.out);
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
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
