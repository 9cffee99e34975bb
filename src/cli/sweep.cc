#include "sweep/sweep.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "core/table.h"
#include "io/json.h"
#include "report/sweep_page/sweep_text.h"

namespace circuit {
namespace {

struct SweepArguments {
  CommonOptions common;
  SweepSpec spec;
  bool dry_run = false;
};

void print_plan(const Sweeper& sweeper) {
  const Sweep& sweep = sweeper.sweep();
  std::vector<std::vector<std::string>> rows{{"run", "state"}};
  for (const SweepRun& run : sweep.runs) rows.push_back({run.name, to_string(run.status)});
  fmt::print("{}{} runs, {} of them to do, {} steps each at most\ntarget {}, cost {}\nnothing was written.\n",
             format_table(rows), sweep.runs.size(), sweeper.open(), sweeper.most_steps(),
             sweep.target.empty() ? "none" : sweep.target, sweep.cost);
}

void print(const SweepArguments& o, const Sweeper& sweeper) {
  const Sweep& sweep = sweeper.sweep();
  if (o.common.json) {
    Json json = sweep_json(sweep);
    json["comparison"] = comparison_json(sweeper.arms(), sweeper.comparison());
    json.update({{"sweep", o.spec.out}, {"csv", sweeper.file("sweep.csv")}, {"page", sweeper.file("sweep.html")}});
    fmt::print("{}\n", json.dump(1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}", comparison_table(sweeper.arms(), sweeper.comparison()));
  fmt::print("{}* on the Pareto front of {} against {}; ± half the 95 % t interval over {}\npage: {}\nruns: {}\n",
             sweep_table(sweep), sweep.target.empty() ? "nothing" : sweep.target, sweep.cost, kReplicateKey,
             sweeper.file("sweep.html"), sweeper.file("sweep.csv"));
}

int run(SweepArguments o) {
  if (o.common.seed != 0) throw UsageError("[--seed] a run's seed is its tuning.seed: use --grid tuning.seed=0,1,2.");
  while (o.spec.out.size() > 1 && o.spec.out.back() == '/') o.spec.out.pop_back();
  apply_common(o.common);
  o.spec.compute = o.common;
  o.spec.ranks = ranks_of_environment();
  Sweeper sweeper(o.spec);
  if (o.dry_run) {
    print_plan(sweeper);
    return 0;
  }
  sweeper.run();
  if (o.spec.ranks.rank == 0) print(o, sweeper);
  sweeper.fail_if_a_run_failed();
  return 0;
}

}  // namespace

void add_sweep(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<SweepArguments>();
  CLI::App* command =
      program.add_subcommand("sweep", "tune over a grid of values, with one table and page of all runs");
  command->footer(
      "Runs that differ in tuning.seed only are averaged. The same command goes on where a sweep was stopped, and "
      "runs\n"
      "what was added to the grid. Started several times by torchrun, srun or mpirun, on machines that share the\n"
      "folder, each process takes runs that nobody works on; the first one writes the table.\n\n"
      "Examples:\n"
      "  circuit sweep examples/agreement/circuit.toml --grid selection.n=30,100,300 --grid tuning.seed=0,1,2 -o "
      "runs/n\n"
      "  circuit sweep examples/agreement/circuit.toml --grid tuning.method=circuit,full,lora \\\n"
      "    --set tuning.steps=100 --target test/accuracy --cost change_norm -o runs/methods --dry-run\n"
      "  circuit sweep tune.toml --grid tuning.method=circuit,full,lora --grid optimizer.lr=1e-4,3e-4 --grid "
      "tuning.seed=0,1,2 \\\n"
      "    --target dev/metric --cost untouched/kl --at 1 --baseline tuning.method=lora --free optimizer.lr -o "
      "runs/fair\n"
      "  mpirun -n 4 circuit sweep examples/agreement/circuit.toml --grid tuning.seed=0,1,2,3 -o runs/seeds --threads "
      "1");
  command->add_option("CONFIG", o->spec.config, "configuration (TOML), as for tune")->required();
  command
      ->add_option("--grid", o->spec.grid, "key=value,value,…; a value with commas in quotes; may stand several times")
      ->allow_extra_args(false)
      ->required();
  command->add_option("--set", o->spec.set, "key=value for all runs, over the configuration; may stand several times")
      ->allow_extra_args(false);
  command
      ->add_option("-o,--out", o->spec.out,
                   "folder of the sweep: a run directory a combination, sweep.json, .csv, .html")
      ->required();
  command->add_option("--target", o->spec.target, "number to gain (default: test/metric, or dev/metric)");
  command->add_option("--cost", o->spec.cost, "number it costs (default: untouched/perplexity, or change_norm)");
  command->add_option("--at", o->spec.at,
                      "value of the target: the cost where each run first reaches it is cost_at_target");
  command->add_option("--baseline", o->spec.comparison.baseline,
                      "key=value: the other conditions against this one, paired by seed");
  command->add_option("--free", o->spec.comparison.free, "keys of which every arm takes its best value")
      ->delimiter(',');
  command->add_option("--margin", o->spec.comparison.margin, "share within which two arms are equal (default: 0.15)");
  command->add_flag("--dry-run", o->dry_run, "check everything and print the runs; write nothing");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
