// Runs over a grid of configurations, one after the other, with one table and page of all. The folder is the only
// state: a sweep that was stopped goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/compute.h"
#include "report/sweep_page/sweep_table.h"
#include "sweep/sweep_plan.h"

namespace circuit {

struct SweepSpec {
  std::string config;             // path, as for tune
  std::vector<std::string> set;   // key=value for all runs
  std::vector<std::string> grid;  // key=value,value,…
  std::string out;                // folder
  std::string target, cost;       // numbers by name; empty: what the configuration measures
  ComputeSpec compute;
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
  size_t open() const { return open_.size(); }  // runs to do
  int64_t most_steps() const;                   // of a run
  std::string file(const std::string& name) const { return spec_.out + "/" + name; }

 private:
  void execute(const SweepCell& cell, SweepRun* state);
  void write() const;
  void check_measured() const;

  const SweepSpec spec_;
  const SweepPlan plan_;
  Sweep sweep_;
  std::vector<size_t> open_;  // cells to run, by index
};

}  // namespace circuit
