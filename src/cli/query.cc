#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "store/query_text.h"

namespace circuit {
namespace {

struct QueryArguments {
  CommonOptions common;
  std::string run, sql;
  bool csv = false;
};

int run(const QueryArguments& o) {
  if (o.csv && o.common.json) throw UsageError("[query] --csv and --json exclude each other.");
  const QueryForm form = o.common.json ? QueryForm::kJson : o.csv ? QueryForm::kCsv : QueryForm::kTable;
  const std::string text = query_text(o.run, o.sql, form);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) fail("query", "cannot write the result: {}.", std::strerror(errno));
  return 0;
}

}  // namespace

void add_query(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<QueryArguments>();
  CLI::App* command = program.add_subcommand("query", "SQL on a run's database, which is only read");
  command->footer(
      "Tables are described in docs/formats.md. Views: circuits, circuit_at (the circuit trained at a step), "
      "entries_exits,\n"
      "edge_series (the score of every edge at every discovery that kept its scores). float_at(blob, i) reads a "
      "vector.\n"
      "Blobs are hexadecimal in --csv and --json; NULL is an empty field or null.\n"
      "Examples:\n"
      "  circuit query runs/circuit \"SELECT * FROM circuit_at WHERE step = 120 ORDER BY abs(score) DESC LIMIT 10\"\n"
      "  circuit query runs/circuit --csv \"SELECT step, score FROM edge_series WHERE upstream = 'm0' AND downstream = "
      "'logits'\"\n"
      "  circuit query runs/circuit \"SELECT step, count(*) AS entered FROM entries_exits WHERE change = 'entered' "
      "GROUP BY "
      "step\"");
  command->add_option("RUN", o->run, "run directory")->required();
  command->add_option("SQL", o->sql, "one SELECT")->required();
  command->add_flag("--csv", o->csv, "comma-separated values, with a line of names");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
