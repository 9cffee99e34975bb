#include "cli/program.h"

#include <ATen/Parallel.h>
#include <circuit/version.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <system_error>

#include "cli/command.h"
#include "cli/setting_options.h"
#include "cli/standard_output.h"
#include "core/error.h"
#include "core/setting_name.h"
#include "launch/kernels.h"
#include "ranks/together.h"

namespace circuit {
namespace {

// In the order --help lists them.
constexpr AddCommand kCommands[] = {add_inspect,  add_tokenize, add_import,  add_pairs, add_generate, add_score,
                                    add_discover, add_evaluate, add_tune,    add_sweep, add_export,   add_apply,
                                    add_revert,   add_diff,     add_analyse, add_query, add_watch,    add_report};
constexpr int kFailure = 1;
constexpr int kWrongUse = 2;
int run(int argc, char** argv) {
  // glibc gives large blocks back to the system at every free and faults them in again at every step.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  write_settings_as(flag_of);
  CLI::App program{
      "Circuit-tuning: find the subgraph of a language model that matters for a task, tune only its\n"
      "parameters, and record how it changes. `circuit COMMAND --help` explains a command."};
  program.name("circuit");
  program.set_version_flag("--version", [] { return "circuit " CIRCUIT_VERSION "\n" + kernels_text(); });
  program.require_subcommand(1);
  program.get_formatter()->column_width(34);
  Action chosen;
  for (const AddCommand add : kCommands) add(program, &chosen);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);
    if (argc > 1 && argv[1][0] != '-' && program.get_subcommands().empty()) {
      fmt::print(stderr, "[circuit] '{}' is not a command. See circuit --help.\n", argv[1]);
      return kWrongUse;
    }
    const std::string command = program.get_subcommands().empty() ? "" : program.get_subcommands()[0]->get_name() + " ";
    fmt::print(stderr, "{}. See circuit {}--help.\n", error.what(), command);
    return kWrongUse;
  }
  // What is no work for several is the first one's alone; a sweep shares its runs out itself.
  const Ranks ranks = ranks_of_environment();
  const std::string name = program.get_subcommands()[0]->get_name();
  if (name == "sweep") return chosen();
  if (name == "discover" || name == "evaluate" || name == "score" || name == "tune")
    return run_together(ranks, {argv + 1, argv + argc}, chosen);
  return ranks.rank == 0 ? chosen() : 0;
}

}  // namespace

int circuit_main(int argc, char** argv) {
  try {
    return close_standard_output(run(argc, argv));
  } catch (const UsageError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kWrongUse;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kFailure;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "[memory] out of memory. Use a smaller batch or --memory.\n");
    return kFailure;
  } catch (const std::filesystem::filesystem_error& error) {
    fmt::print(stderr, "[files] {}\n", error.what());
    return kFailure;
  } catch (const std::system_error& error) {
    // How fmt::print says that its output does not take what it prints.
    fmt::print(stderr, "[stdout] cannot write the result: {}.\n", error.code().message());
    return kFailure;
  } catch (const std::exception& error) {
    // libtorch reports a failed allocation (and its own bugs) with a stack trace: its first line says it all.
    const std::string what = error.what();
    fmt::print(stderr, "[internal] {}\n", what.substr(0, what.find('\n')));
    return kFailure;
  }
}

}  // namespace circuit
