#include "sweep/sweep.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "io/lock.h"
#include "report/sweep_page/sweep_page.h"
#include "report/sweep_page/sweep_text.h"
#include "run/execute.h"
#include "run/interrupt.h"
#include "run/run_inputs.h"
#include "store/number_json.h"
#include "store/run_lock.h"
#include "store/run_reader.h"
#include "sweep/change_norm.h"
#include "sweep/sweep_file.h"
#include "tuning/run_checkpoint.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPatience{500};  // before runs that others held are looked at again

bool is_finished(const std::string& run) { return recorded_meta(run, "status") == "finished"; }

// What `tune --resume` would go on with.
RunConfig stored_config(const std::string& run) {
  RunConfig config = read_run_config(run);
  config.run.path = run;
  return config;
}

// The numbers of a finished run, from its store and its best checkpoint.
void read_result(const std::string& path, ComputeSpec options, SweepRun* run) {
  const std::string place = path + "/run.db, summary";
  const Json summary = parse_json(recorded_meta(path, "summary"), place);
  run->before = numbers_of(summary, "before", place);
  run->after = numbers_of(summary, "after", place);
  run->after[kTouchedShare] = require(summary, "touched_share", place).get<double>();
  run->after[kLargestShare] = require(summary, "largest_trainable", place).get<double>() /
                              require(summary, "all_parameters", place).get<double>();
  run->after[kSecondsPerStep] =
      require(summary, "seconds", place).get<double>() / require(summary, "steps", place).get<double>();
  // Runs of version 0.2 did not say it.
  if (summary.contains("peak_memory")) run->after[kPeakMemory] = summary["peak_memory"].get<double>();
  const RunConfig config = stored_config(path);
  options.dtype = "f32";  // the checkpoint's values are float32 whatever the run computed in
  TuneModel model(config, options);
  const std::unique_ptr<Trained> trained = stored_parameters(config, path, model);
  check_base(path, model.open.checkpoint);
  load_values(path, require_int(summary, "best_step", place), model.open.checkpoint, trained->store());
  run->after[kChangeNorm] = change_norm(trained->store(), model.open.checkpoint);
}

// A run's recorded evaluations of the target, with the cost where it was read.
Evaluations evaluations_of(const std::string& run, const std::string& target, const std::string& cost) {
  std::map<int64_t, Numbers> by_step;
  for (const auto& row : RunReader(run).evaluations()) by_step[row.step][row.name] = row.value;
  Evaluations along;
  for (const auto& [step, values] : by_step) {
    const auto gained = values.find(target);
    if (gained == values.end()) continue;
    const auto paid = values.find(cost);
    along.emplace_back(gained->second, paid == values.end() ? std::nullopt : std::optional<double>(paid->second));
  }
  return along;
}

// Runs a cell from where it stands to its end, or until the user stops it.
RunStatus run_cell(const RunConfig& config, const ComputeSpec& options, SweepRun* run) {
  if (!is_finished(config.run.path)) {
    const bool begun = file_exists(config.run.path);
    // Initial weights of a run that was killed before it had a folder.
    if (!begun) fs::remove_all(config.run.path + ".init");
    const RunSummary summary = execute_run(begun ? stored_config(config.run.path) : config, options, Checks::kUsual);
    if (summary.interrupted) return RunStatus::kStopped;
  }
  read_result(config.run.path, options, run);
  return RunStatus::kFinished;
}

// The first line: libtorch adds a stack trace to its own.
std::string one_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Names whose data the configuration does not give would never come; those it does give are held against the first run.
void check_number_name(const std::string& option, const std::string& name, const RunConfig& c) {
  for (const char* own : {kTouchedShare, kLargestShare, kChangeNorm, kSecondsPerStep, kPeakMemory}) {
    if (name == own) return;
  }
  if (name.substr(name.rfind('/') + 1) == "signed_bias") {
    fail(option, "{}: neither more nor less is better, 0 is. Take prejudice_risk.", name);
  }
  const std::string first = name.substr(0, name.find('/'));
  if (first == "dev" && !c.data.dev.empty()) return;
  if (first == "test" && !c.data.test.empty()) return;
  if (first == "untouched" && !c.data.untouched.empty()) return;
  if (first == "ability" && !c.evaluation.files.empty()) return;
  fail(option,
       "{} is not measured with this configuration. There are names as dev/metric, test/accuracy, "
       "untouched/perplexity, ability/FILE/accuracy (of data.* and evaluation.files), {}, {}, {}, {} and {}.",
       name, kTouchedShare, kLargestShare, kChangeNorm, kSecondsPerStep, kPeakMemory);
}

}  // namespace

Sweeper::Sweeper(SweepSpec spec)
    : spec_(std::move(spec)),
      plan_(plan_sweep(spec_.config, spec_.set, spec_.grid, spec_.out)),
      sweep_(begun_sweep(file("sweep.json"), plan_, spec_.compute.dtype)) {
  sweep_.name = fs::absolute(spec_.out).lexically_normal().filename().string();
  const RunConfig& c = plan_.cells[0].config;
  sweep_.target = !spec_.target.empty()  ? spec_.target
                  : !c.data.test.empty() ? "test/metric"
                  : !c.data.dev.empty()  ? "dev/metric"
                                         : "";
  sweep_.cost = !spec_.cost.empty() ? spec_.cost : !c.data.untouched.empty() ? "untouched/perplexity" : kChangeNorm;
  if (!sweep_.target.empty()) check_number_name(setting("target"), sweep_.target, c);
  check_number_name(setting("cost"), sweep_.cost, c);
  if (spec_.at && sweep_.target.empty())
    throw UsageError(fmt::format("[{}] there is no target that would reach it.", setting("at")));
  spec_.comparison.number = spec_.at ? kCostAtTarget : sweep_.cost;
  arms();  // a baseline that is none is found before a run begins
  for (size_t i = 0; i < plan_.cells.size(); ++i) {
    SweepRun& run = sweep_.runs[i];
    // A folder that was removed is run again.
    if (run.status == RunStatus::kFinished && !is_finished(plan_.cells[i].config.run.path)) {
      run = {run.name, run.values, RunStatus::kWaiting, "", {}, {}};
    }
    if (run.status != RunStatus::kFinished) open_.push_back(i);
  }
  check_measured();
}

int64_t Sweeper::most_steps() const {
  int64_t most = 0;
  for (const SweepCell& cell : plan_.cells) most = std::max(most, cell.config.tuning.steps);
  return most;
}

void Sweeper::run() {
  make_directories(spec_.out);
  std::optional<RunLock> lock;
  if (spec_.ranks.rank == 0) lock.emplace(spec_.out, RunLock::Use::kWork);
  // Whoever comes first: a run's folder that stands in no list would be taken for somebody else's.
  write_sweep_file(file("sweep.json"), plan_, spec_.compute.dtype, sweep_);
  write();
  std::vector<size_t> left = open_;
  // Ranks begin at runs far from each other, so that they seldom want the same one.
  if (!left.empty()) {
    const size_t first = left.size() * static_cast<size_t>(spec_.ranks.rank) / static_cast<size_t>(spec_.ranks.count);
    std::rotate(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(first), left.end());
  }
  const auto start = std::chrono::steady_clock::now();
  while (!left.empty()) {
    const size_t done = open_.size() - left.size();
    const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::string eta =
        done == 0 ? ""
                  : ", ETA " + format_duration(spent / static_cast<double>(done) * static_cast<double>(left.size()));
    if (advance(&left, eta)) {
      check_measured();
      continue;
    }
    if (was_interrupt_noted()) fail(spec_.out, "stopped. The same command goes on from there.");
    // Who holds the runs that are left may die.
    std::this_thread::sleep_for(kPatience);
  }
  std::error_code ignored;
  if (!is_alone() && spec_.ranks.rank == 0) fs::remove_all(file(".claims"), ignored);
}

bool Sweeper::advance(std::vector<size_t>* left, const std::string& eta) {
  for (auto at = left->begin(); at != left->end(); ++at) {
    const SweepCell& cell = plan_.cells[*at];
    SweepRun& state = sweep_.runs[*at];
    // The numbers of what is finished are rank 0's to read; a claim made now would outlive its folder's removal.
    if (spec_.ranks.rank != 0 && is_finished(cell.config.run.path)) {
      state.status = RunStatus::kFinished;
      left->erase(at);
      return true;
    }
    std::optional<FolderLock> held;
    if (!is_alone()) {
      make_directories(claim(cell));
      held.emplace(claim(cell), FolderLock::Use::kAlone);
      if (!held->is_had()) {
        if (state.status != RunStatus::kRunning) {
          state.status = RunStatus::kRunning;
          write();
        }
        continue;
      }
    }
    const bool finished = is_finished(cell.config.run.path);
    if (!finished) log_info("run {} of {}{}: {}", *at + 1, sweep_.runs.size(), eta, cell.name);
    left->erase(at);
    state.status = RunStatus::kRunning;
    state.reason.clear();
    if (!finished) write();
    execute(cell, &state);
    set_log_file("");
    write();
    if (state.status == RunStatus::kStopped) {
      fail(spec_.out, "stopped in {}. The same command goes on from there.", cell.name);
    }
    return true;
  }
  return false;
}

void Sweeper::fail_if_a_run_failed() const {
  const auto failed = [](const SweepRun& r) { return r.status == RunStatus::kFailed; };
  const auto first = std::find_if(sweep_.runs.begin(), sweep_.runs.end(), failed);
  if (first == sweep_.runs.end()) return;
  fail(spec_.out, "{} of {} runs failed; {}: {}", std::count_if(sweep_.runs.begin(), sweep_.runs.end(), failed),
       sweep_.runs.size(), first->name, first->reason);
}

// One bad cell must not cost the others: the only place beside main where errors end.
void Sweeper::execute(const SweepCell& cell, SweepRun* state) {
  try {
    state->status = run_cell(cell.config, spec_.compute, state);
    return;
  } catch (const Error& error) {
    state->reason = one_line(error.what());
  } catch (const std::bad_alloc&) {
    state->reason = "[memory] out of memory. Use a smaller batch or " + setting("memory") + ".";
  } catch (const std::exception& error) {
    state->reason = "[internal] " + one_line(error.what());
  }
  state->status = RunStatus::kFailed;
  log_warning("{} failed: {}", cell.name, state->reason);
}

void Sweeper::find_costs_on_the_way() {
  for (SweepRun& run : sweep_.runs) {
    run.after.erase(kCostAtTarget);
    if (run.status != RunStatus::kFinished || sweep_.target.empty()) continue;
    if (run.along.empty()) run.along = evaluations_of(file(run.name), sweep_.target, sweep_.cost);
    if (!spec_.at) continue;
    if (const auto cost = cost_at(run.along, *spec_.at)) run.after[kCostAtTarget] = *cost;
  }
}

std::vector<Arm> Sweeper::arms() const {
  return spec_.comparison.baseline.empty() ? std::vector<Arm>() : compare_arms(sweep_, spec_.comparison);
}

void Sweeper::write() {
  if (spec_.ranks.rank != 0) return;
  find_costs_on_the_way();
  write_sweep_file(file("sweep.json"), plan_, spec_.compute.dtype, sweep_);
  write_file(file("sweep.csv"), sweep_csv(sweep_));
  write_file(file("sweep.html"), render_sweep(sweep_, arms(), spec_.comparison));
}

// Throws Error for axes that the finished runs do not have.
void Sweeper::check_measured() const {
  const std::vector<std::string> names = number_names(sweep_);
  if (names.empty()) return;
  for (const auto& [option, name] : {std::pair("target", &sweep_.target), {"cost", &sweep_.cost}}) {
    if (name->empty() || std::find(names.begin(), names.end(), *name) != names.end()) continue;
    fail(setting(option), "{} was not measured. There are: {}.", *name,
         joined(names, [](const std::string& n) { return n; }));
  }
}

}  // namespace circuit
