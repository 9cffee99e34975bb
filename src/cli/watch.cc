// circuit watch: a run as it goes on, in a terminal.
#include <fmt/format.h>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <ctime>
#include <memory>

#include "cli/command.h"
#include "cli/screen.h"
#include "cli/validators.h"
#include "run/watch.h"

namespace circuit {
namespace {

struct WatchArguments {
  CommonOptions common;
  std::string run;
  bool once = false;
  double every = 1;
};

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

void pause_for(double seconds) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_nsec = static_cast<long>((seconds - std::floor(seconds)) * 1e9);
  nanosleep(&time, nullptr);  // a signal ends it
}

int run(const WatchArguments& o) {
  Watched now = watch_run(o.run);
  if (o.common.json) {
    fmt::print("{}\n", watched_json(o.run, now).dump());
    return 0;
  }
  if (o.once || isatty(STDOUT_FILENO) == 0) {
    fmt::print("{}", watched_text(o.run, now));
    return 0;
  }
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // without SA_RESTART
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  Screen screen;
  while (interrupted == 0) {
    screen.draw(watched_text(o.run, now));
    if (!now.running()) break;
    pause_for(o.every);
    now = watch_run(o.run);
  }
  return 0;
}

}  // namespace

void add_watch(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<WatchArguments>();
  CLI::App* command = program.add_subcommand("watch", "a run that goes on, in the terminal");
  command->footer(
      "Ends when the run does, or with Ctrl-C; the run's store is only read. Not in a terminal, or with "
      "--once: as it stands.\n"
      "Examples:\n  circuit watch runs/circuit\n  circuit watch runs/circuit --json");
  command->add_option("RUN", o->run, "run directory")->required();
  command->add_flag("--once", o->once, "print it once and end");
  command->add_option("--every", o->every, "seconds between two looks")
      ->capture_default_str()
      ->check(between(0.02, 3600.0));
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
