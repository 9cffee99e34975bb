#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "io/files.h"
#include "io/outputs.h"
#include "io/settings_json.h"
#include "run/run_inputs.h"
#include "run/run_text.h"

namespace circuit {
namespace {

struct TuneArguments {
  CommonOptions common;
  std::string config;
  std::string resume;
  std::vector<std::string> set;
  bool dry_run = false;
  bool help_config = false;
  bool paranoid = false;
};

void print_plan(const DryRun& found, int64_t limit) {
  fmt::print("{}", dry_run_text(found));
  warn_of_memory(found.memory, limit);
}

RunConfig resumed_config(const TuneArguments& o) {
  RunConfig config = read_run_config(o.resume);
  for (const std::string& assignment : o.set) {
    const std::string key = assignment.substr(0, assignment.find('='));
    if (!is_free_on_resume(key)) {
      fail("--resume",
           "{} would change the result of a run that has begun; only evaluation.keep may change. Start a new run.",
           key);
    }
    set_config(assignment, config.settings());
  }
  config.run.path = o.resume;
  while (config.run.path.size() > 1 && config.run.path.back() == '/') config.run.path.pop_back();
  return config;
}

RunConfig fresh_config(const TuneArguments& o) {
  RunConfig config;
  read_config(o.config, config.settings());
  for (const std::string& assignment : o.set) set_config(assignment, config.settings());
  check_config(config, o.config);
  if (!o.dry_run && file_exists(config.run.path)) {
    fail(config.run.path, "already exists. Go on with: circuit tune --resume {0} — or choose another run.path.",
         config.run.path);
  }
  if (!o.dry_run) check_new_folder("run.path", config.run.path);
  return config;
}

int run(const TuneArguments& o) {
  if (o.help_config) {
    RunConfig defaults;
    const Settings settings = defaults.settings();
    fmt::print("{}", o.common.json ? settings_json(settings).dump(1) + "\n" : help_config(settings));
    return 0;
  }
  if (o.common.seed != 0) throw UsageError("[--seed] a run's seed is its tuning.seed: use --set tuning.seed=N.");
  if (o.config.empty() == o.resume.empty())
    throw UsageError("[tune] give CONFIG.toml or --resume RUN. See circuit tune --help.");
  apply_common(o.common);
  const RunConfig config = o.resume.empty() ? fresh_config(o) : resumed_config(o);
  if (o.dry_run) {
    // Of the machine before the model is loaded.
    const int64_t limit = memory_limit(o.common);
    print_plan(dry_run(config, o.common), limit);
    return 0;
  }
  const RunSummary summary = execute_run(config, o.common, o.paranoid ? Checks::kParanoid : Checks::kUsual);
  if (summary.interrupted) {
    fail(config.run.path, "stopped after step {}. Go on with: circuit tune --resume {}", summary.steps,
         config.run.path);
  }
  fmt::print("{}", o.common.json ? run_json(config, summary).dump(1) + "\n" : run_text(config, summary));
  return 0;
}

}  // namespace

void add_tune(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<TuneArguments>();
  CLI::App* command = program.add_subcommand("tune", "circuit-tuning, or a baseline, into a run directory");
  command->footer(
      "Examples:\n"
      "  circuit tune examples/agreement/circuit.toml --dry-run\n"
      "  circuit tune examples/agreement/circuit.toml --set selection.n=200 --set run.path=runs/n200\n"
      "  circuit tune --resume runs/n200");
  command->add_option("CONFIG", o->config, "configuration (TOML)");
  command->add_option("--set", o->set, "key=value, over the configuration; may stand several times")
      ->allow_extra_args(false);
  command->add_option("--resume", o->resume, "run directory to go on with");
  command->add_flag("--dry-run", o->dry_run,
                    "print the plan, the first circuit's slices and the memory; write nothing");
  command->add_flag("--paranoid", o->paranoid, "first check a slice's gradient against differences of the loss");
  command->add_flag("--help-config", o->help_config,
                    "print every key with its default and meaning (with --json: type, range, unit too)");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
