#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "cli/change_norm.h"
#include "cli/command.h"
#include "cli/run.h"
#include "cli/run_inputs.h"
#include "cli/sweep_file.h"
#include "cli/sweep_plan.h"
#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "core/progress.h"
#include "core/table.h"
#include "io/files.h"
#include "io/lock.h"
#include "io/number_json.h"
#include "io/sqlite.h"
#include "report/sweep_page.h"
#include "report/sweep_text.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

struct Options {
  CommonOptions common;
  std::string config, out, target, cost;
  std::vector<std::string> set, grid;
  bool dry_run = false;
};

std::string meta(const std::string& run, const std::string& key) {
  if (!file_exists(run + "/run.db")) return "";
  Database db(run + "/run.db", Database::Mode::kReadOnly);
  Statement row = db.prepare("SELECT value FROM meta WHERE key = ?");
  row.bind(1, key);
  return row.step() ? row.text(0) : "";
}

bool is_finished(const std::string& run) { return meta(run, "status") == "finished"; }

// What `tune --resume` would go on with.
TuneConfig stored_config(const std::string& run) {
  TuneConfig config = read_run_config(run);
  config.run_path = run;
  return config;
}

// The numbers of a finished run, from its store and its best checkpoint.
void read_result(const std::string& path, CommonOptions options, SweepRun* run) {
  const std::string place = path + "/run.db, summary";
  const Json summary = parse_json(meta(path, "summary"), place);
  run->before = numbers_of(summary, "before", place);
  run->after = numbers_of(summary, "after", place);
  run->after[kTouchedShare] = require(summary, "touched_share", place).get<double>();
  run->after[kLargestShare] = require(summary, "largest_trainable", place).get<double>() /
                              require(summary, "all_parameters", place).get<double>();
  run->after[kSecondsPerStep] =
      require(summary, "seconds", place).get<double>() / require(summary, "steps", place).get<double>();
  const TuneConfig config = stored_config(path);
  options.dtype = "f32";  // the checkpoint's values are float32 whatever the run computed in
  TuneModel model(config, options);
  const std::unique_ptr<ParameterStore> store = stored_parameters(config, path, model);
  check_base(path, model.open.checkpoint);
  load_checkpoint(path, require_int(summary, "best_step", place), model.open.checkpoint, *store);
  run->after[kChangeNorm] = change_norm(*store, model.open.checkpoint);
}

// Runs a cell from where it stands to its end, or until the user stops it.
RunStatus run_cell(const TuneConfig& config, const CommonOptions& options, SweepRun* run) {
  if (!is_finished(config.run_path)) {
    const bool begun = file_exists(config.run_path);
    // Initial weights of a run that was killed before it had a folder.
    if (!begun) fs::remove_all(config.run_path + ".init");
    const RunSummary summary = execute_run(begun ? stored_config(config.run_path) : config, options, Checks::kUsual);
    if (summary.interrupted) return RunStatus::kStopped;
  }
  read_result(config.run_path, options, run);
  return RunStatus::kFinished;
}

// The first line: libtorch adds a stack trace to its own.
std::string one_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Names whose data the configuration does not give would never come; those it does give are held against the first run.
void check_number_name(const std::string& option, const std::string& name, const TuneConfig& c) {
  for (const char* own : {kTouchedShare, kLargestShare, kChangeNorm, kSecondsPerStep}) {
    if (name == own) return;
  }
  if (name.substr(name.rfind('/') + 1) == "signed_bias") {
    fail(option, "{}: neither more nor less is better, 0 is. Take prejudice_risk.", name);
  }
  const std::string first = name.substr(0, name.find('/'));
  if (first == "dev" && !c.data_dev.empty()) return;
  if (first == "test" && !c.data_test.empty()) return;
  if (first == "untouched" && !c.data_untouched.empty()) return;
  if (first == "ability" && !c.evaluation_files.empty()) return;
  fail(option,
       "{} is not measured with this configuration. There are names as dev/metric, test/accuracy, "
       "untouched/perplexity, ability/FILE/accuracy (of data.* and evaluation.files), {}, {}, {} and {}.",
       name, kTouchedShare, kLargestShare, kChangeNorm, kSecondsPerStep);
}

class Sweeper {
 public:
  Sweeper(const Options& o, SweepPlan plan)
      : o_(o), plan_(std::move(plan)), sweep_(begun_sweep(file("sweep.json"), plan_, o.common.dtype)) {
    sweep_.name = fs::absolute(o.out).lexically_normal().filename().string();
    const TuneConfig& c = plan_.cells[0].config;
    sweep_.target = !o.target.empty()      ? o.target
                    : !c.data_test.empty() ? "test/metric"
                    : !c.data_dev.empty()  ? "dev/metric"
                                           : "";
    sweep_.cost = !o.cost.empty() ? o.cost : !c.data_untouched.empty() ? "untouched/perplexity" : kChangeNorm;
    if (!sweep_.target.empty()) check_number_name("--target", sweep_.target, c);
    check_number_name("--cost", sweep_.cost, c);
    for (size_t i = 0; i < plan_.cells.size(); ++i) {
      SweepRun& run = sweep_.runs[i];
      // A folder that was removed is run again.
      if (run.status == RunStatus::kFinished && !is_finished(plan_.cells[i].config.run_path)) {
        run = {run.name, run.values, RunStatus::kWaiting, "", {}, {}};
      }
      if (run.status != RunStatus::kFinished) open_.push_back(i);
    }
    check_measured();
  }

  void print_plan() const {
    std::vector<std::vector<std::string>> rows{{"run", "state"}};
    for (const SweepRun& run : sweep_.runs) rows.push_back({run.name, to_string(run.status)});
    fmt::print("{}{} runs, {} of them to do, {} steps each at most\ntarget {}, cost {}\nnothing was written.\n",
               format_table(rows), sweep_.runs.size(), open_.size(), most_steps(),
               sweep_.target.empty() ? "none" : sweep_.target, sweep_.cost);
  }

  // Throws Error when the user stops it, or at the end when a run has failed.
  void run() {
    make_directories(o_.out);
    const FolderLock lock(o_.out, FolderLock::Use::kAlone);
    write();
    const auto start = std::chrono::steady_clock::now();
    for (size_t done = 0; done < open_.size(); ++done) {
      const SweepCell& cell = plan_.cells[open_[done]];
      SweepRun& state = sweep_.runs[open_[done]];
      const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      const std::string left = done == 0 ? ""
                                         : ", ETA " + format_duration(spent / static_cast<double>(done) *
                                                                      static_cast<double>(open_.size() - done));
      log_info("run {} of {}{}: {}", open_[done] + 1, sweep_.runs.size(), left, cell.name);
      state.status = RunStatus::kRunning;
      state.reason.clear();
      write();
      execute(cell, &state);
      set_log_file("");
      write();
      if (state.status == RunStatus::kStopped) {
        fail(o_.out, "stopped in {}. The same command goes on from there.", cell.name);
      }
      check_measured();
    }
  }

  void print() const {
    if (o_.common.json) {
      Json json = sweep_json(sweep_);
      json.update({{"sweep", o_.out}, {"csv", file("sweep.csv")}, {"page", file("sweep.html")}});
      fmt::print("{}\n", json.dump(1, ' ', false, Json::error_handler_t::replace));
      return;
    }
    fmt::print("{}* on the Pareto front of {} against {}; ± half the 95 % t interval over {}\npage: {}\nruns: {}\n",
               sweep_table(sweep_), sweep_.target.empty() ? "nothing" : sweep_.target, sweep_.cost, kReplicateKey,
               file("sweep.html"), file("sweep.csv"));
  }

  void fail_if_a_run_failed() const {
    const auto failed = [](const SweepRun& r) { return r.status == RunStatus::kFailed; };
    const auto first = std::find_if(sweep_.runs.begin(), sweep_.runs.end(), failed);
    if (first == sweep_.runs.end()) return;
    fail(o_.out, "{} of {} runs failed; {}: {}", std::count_if(sweep_.runs.begin(), sweep_.runs.end(), failed),
         sweep_.runs.size(), first->name, first->reason);
  }

 private:
  std::string file(const std::string& name) const { return o_.out + "/" + name; }

  int64_t most_steps() const {
    int64_t most = 0;
    for (const SweepCell& cell : plan_.cells) most = std::max(most, cell.config.tuning_steps);
    return most;
  }

  // One bad cell must not cost the others: the only place beside main where errors end.
  void execute(const SweepCell& cell, SweepRun* state) {
    try {
      state->status = run_cell(cell.config, o_.common, state);
      return;
    } catch (const Error& error) {
      state->reason = one_line(error.what());
    } catch (const std::bad_alloc&) {
      state->reason = "[memory] out of memory. Use a smaller batch or --memory.";
    } catch (const std::exception& error) {
      state->reason = "[internal] " + one_line(error.what());
    }
    state->status = RunStatus::kFailed;
    log_warning("{} failed: {}", cell.name, state->reason);
  }

  void write() const {
    write_sweep_file(file("sweep.json"), plan_, o_.common.dtype, sweep_);
    write_file(file("sweep.csv"), sweep_csv(sweep_));
    write_file(file("sweep.html"), render_sweep(sweep_));
  }

  // Throws Error for axes that the finished runs do not have.
  void check_measured() const {
    const std::vector<std::string> names = number_names(sweep_);
    if (names.empty()) return;
    for (const auto& [option, name] : {std::pair("--target", &sweep_.target), {"--cost", &sweep_.cost}}) {
      if (name->empty() || std::find(names.begin(), names.end(), *name) != names.end()) continue;
      fail(option, "{} was not measured. There are: {}.", *name, joined(names, [](const std::string& n) { return n; }));
    }
  }

  const Options& o_;
  const SweepPlan plan_;
  Sweep sweep_;
  std::vector<size_t> open_;  // cells to run, by index
};

int run(Options o) {
  if (o.common.seed != 0) throw UsageError("[--seed] a run's seed is its tuning.seed: use --grid tuning.seed=0,1,2.");
  while (o.out.size() > 1 && o.out.back() == '/') o.out.pop_back();
  apply_common(o.common);
  Sweeper sweeper(o, plan_sweep(o.config, o.set, o.grid, o.out));
  if (o.dry_run) {
    sweeper.print_plan();
    return 0;
  }
  sweeper.run();
  sweeper.print();
  sweeper.fail_if_a_run_failed();
  return 0;
}

}  // namespace

void add_sweep(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("sweep", "tune over a grid of values, with one table and page of all runs");
  command->footer(
      "Runs that differ in tuning.seed only are averaged. The same command goes on where a sweep was stopped, and "
      "runs\n"
      "what was added to the grid.\n\n"
      "Examples:\n"
      "  circuit sweep examples/agreement/circuit.toml --grid selection.n=30,100,300 --grid tuning.seed=0,1,2 -o "
      "runs/n\n"
      "  circuit sweep examples/agreement/circuit.toml --grid tuning.method=circuit,full,lora \\\n"
      "    --set tuning.steps=100 --target test/accuracy --cost change_norm -o runs/methods --dry-run");
  command->add_option("CONFIG", o->config, "configuration (TOML), as for tune")->required();
  command->add_option("--grid", o->grid, "key=value,value,…; a value with commas in quotes; may stand several times")
      ->allow_extra_args(false)
      ->required();
  command->add_option("--set", o->set, "key=value for all runs, over the configuration; may stand several times")
      ->allow_extra_args(false);
  command->add_option("-o,--out", o->out, "folder of the sweep: a run directory a combination, sweep.json, .csv, .html")
      ->required();
  command->add_option("--target", o->target, "number to gain (default: test/metric, or dev/metric)");
  command->add_option("--cost", o->cost, "number it costs (default: untouched/perplexity, or change_norm)");
  command->add_flag("--dry-run", o->dry_run, "check everything and print the runs; write nothing");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
