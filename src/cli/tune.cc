#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "cli/command.h"
#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/table.h"
#include "io/files.h"
#include "io/number_json.h"
#include "io/outputs.h"
#include "io/settings_json.h"
#include "run/dry_run.h"
#include "run/execute.h"
#include "run/run_inputs.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string config;
  std::string resume;
  std::vector<std::string> set;
  bool dry_run = false;
  bool help_config = false;
  bool paranoid = false;
};

std::string number(double value) { return fmt::format("{:.4g}", value); }

// Before, after and change of every split's value; per-verb accuracies below their split's.
void print_summary(const RunConfig& config, const RunSummary& s) {
  std::vector<std::vector<std::string>> rows{{"", "before", "after", "change"}};
  std::set<std::string> names;
  for (const auto& [name, value] : s.before) names.insert(name);
  for (const std::string& name : names) {
    const auto after = s.after.find(name);
    if (after == s.after.end()) continue;
    const double before = s.before.at(name);
    rows.push_back({name, number(before), number(after->second), fmt::format("{:+.4g}", after->second - before)});
  }
  if (rows.size() > 1) fmt::print("{}", format_table(rows));
  const auto share = [&](int64_t n) { return 100.0 * static_cast<double>(n) / static_cast<double>(s.all_parameters); };
  fmt::print("method {}, best step {} of {}, {} of training\n", config.tuning.method, s.best_step, s.steps,
             format_duration(s.seconds));
  fmt::print("{} of {} parameters touched ({:.1f} %), at most {:.1f} % in one step\n",
             with_commas(s.touched_parameters), with_commas(s.all_parameters), share(s.touched_parameters),
             share(s.largest_trainable));
  fmt::print("report: {}/report.html\n", config.run.path);
}

void print_json(const RunConfig& config, const RunSummary& s) {
  const Json json = {{"run", config.run.path},
                     {"method", config.tuning.method},
                     {"before", numbers_json(s.before)},
                     {"after", numbers_json(s.after)},
                     {"steps", s.steps},
                     {"best_step", s.best_step},
                     {"touched_parameters", s.touched_parameters},
                     {"all_parameters", s.all_parameters},
                     {"largest_trainable", s.largest_trainable},
                     {"seconds", s.seconds},
                     {"report", config.run.path + "/report.html"}};
  fmt::print("{}\n", json.dump(1));
}

void print_dry_run(const DryRun& d, const CommonOptions& common) {
  const RunConfig& c = d.config;
  const int64_t per_step = c.tuning.batches.batch * c.tuning.batches.accumulation;
  fmt::print("{:<22} {} ({} parameters)\n", "model", c.model.path, with_commas(d.all_parameters));
  fmt::print("{:<22} {} training records, longest {} tokens; {} dev, {} test; {} untouched tokens\n", "data", d.records,
             d.longest, d.dev, d.test, d.untouched);
  fmt::print("{:<22} {}: {} steps of {} records ({:.2f} epochs)\n", "plan", c.tuning.method, c.tuning.steps, per_step,
             static_cast<double>(c.tuning.steps * per_step) / static_cast<double>(d.records));
  if (d.circuit) {
    RunConfig config = c;
    const Settings settings = config.settings();
    const auto value = [&](const char* key) { return plain_value(*settings.find(key)); };
    fmt::print("{:<22} {} every {} steps, {} ablation, {} positions, {} {}\n", "discovery", c.discovery.score.method,
               c.discovery.every, value("discovery.ablation"), value("discovery.positions"), c.selection.kind,
               c.selection.n);
    fmt::print("{:<22} {} edges, {} nodes, metric {:.3f}\n", "first circuit", d.circuit->edges, d.circuit->nodes,
               d.circuit->metric);
  }
  fmt::print("{:<22} {} parts of {} tensors, {} parameters ({:.1f} % of the model's {})\n", "trainable", d.parts,
             d.tensors, with_commas(d.parameters),
             100.0 * static_cast<double>(d.parameters) / static_cast<double>(d.all_parameters),
             with_commas(d.all_parameters));
  fmt::print("{:<22} {}\n", "memory", d.memory.text());
  if (d.memory.total() > memory_limit(common)) {
    log_warning("this is more than the {} at hand: {}", format_bytes(static_cast<double>(memory_limit(common))),
                kMemoryAdvice);
  }
  fmt::print("{:<22} every {} steps; checkpoints kept: {}\n", "evaluation", c.evaluation.every,
             c.evaluation.keep == EvaluationSettings::Keep::kAll ? "all" : "best");
  fmt::print("nothing was written.\n");
}

RunConfig resumed_config(const Options& o) {
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

RunConfig fresh_config(const Options& o) {
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

int run(const Options& o) {
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
    print_dry_run(dry_run(config, o.common), o.common);
    return 0;
  }
  const RunSummary summary = execute_run(config, o.common, o.paranoid ? Checks::kParanoid : Checks::kUsual);
  if (summary.interrupted) {
    fail(config.run.path, "stopped after step {}. Go on with: circuit tune --resume {}", summary.steps,
         config.run.path);
  }
  if (o.common.json) {
    print_json(config, summary);
  } else {
    print_summary(config, summary);
  }
  return 0;
}

}  // namespace

void add_tune(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
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
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
