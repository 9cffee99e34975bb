// Runs over a grid of configurations with one table and page of all. The folder is the only state: a sweep that was
// stopped goes on, and several processes, on one machine or on many that share the folder, work on one sweep without a
// word to each other: each takes a run that nobody holds and that is not finished, and who dies lets go of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/ranks.h"
#include "model/compute.h"
#include "report/sweep_page/sweep_comparison.h"
#include "sweep/sweep_plan.h"

namespace circuit {

struct SweepSpec {
  std::string config;             // path, as for tune
  std::vector<std::string> set;   // key=value for all runs
  std::vector<std::string> grid;  // key=value,value,…
  std::string out;                // folder
  std::string target, cost;       // numbers by name; empty: what the configuration measures
  std::optional<double> at;       // of the target: cost_at_target is the cost there
  ComparisonSpec comparison;      // without a baseline: none; its number is cost_at_target, or the cost
  ComputeSpec compute;
  Ranks ranks;  // rank 0 writes sweep.json, .csv and .html
};

class Sweeper {
 public:
  // Checks everything, and reads what the folder holds. Throws Error or UsageError naming what cannot be.
  explicit Sweeper(SweepSpec spec);

  // Throws Error when the user stops it.
  void run();
  // Throws Error naming the first run that failed.
  void fail_if_a_run_failed() const;

  const Sweep& sweep() const { return sweep_; }
  // As the specification asks for it; empty without a baseline.
  std::vector<Arm> arms() const;
  const ComparisonSpec& comparison() const { return spec_.comparison; }
  size_t open() const { return open_.size(); }  // runs to do
  int64_t most_steps() const;                   // of a run
  std::string file(const std::string& name) const { return spec_.out + "/" + name; }

 private:
  // Works on one of the runs that are left, or takes over what another process has finished; false: others hold them
  // all.
  bool advance(std::vector<size_t>* left, const std::string& eta);
  void execute(const SweepCell& cell, SweepRun* state);
  bool is_alone() const { return spec_.ranks.count == 1; }
  std::string claim(const SweepCell& cell) const { return file(".claims/") + cell.name; }
  void write();
  void find_costs_on_the_way();
  void check_measured() const;

  SweepSpec spec_;
  const SweepPlan plan_;
  Sweep sweep_;
  std::vector<size_t> open_;  // cells to run, by index
};

}  // namespace circuit
