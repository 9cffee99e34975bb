// The runs of a sweep as values, what the seeds of each condition say together, and which conditions are on the Pareto
// front of gain against cost.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/t_interval.h"
#include "report/kit/gain_and_cost.h"
#include "report/sweep_page/cost_curve.h"

namespace circuit {

// The key that makes replicates: its runs are averaged; every other key of the grid makes conditions.
constexpr const char* kReplicateKey = "tuning.seed";

enum class RunStatus { kWaiting, kRunning, kStopped, kFailed, kFinished };
std::string to_string(RunStatus status);  // "waiting", …
// Throws Error naming the place for another word.
RunStatus parse_status(const std::string& word, const std::string& place);

struct SweepRun {
  std::string name;                 // of its folder
  std::vector<std::string> values;  // one a key of the sweep, as people write them
  RunStatus status = RunStatus::kWaiting;
  std::string reason;   // of a failure, one line
  Numbers before;       // evaluations of the base model
  Numbers after;        // the same of the best step, and its own numbers
  Evaluations along{};  // of a finished run
};

struct Sweep {
  std::string name;
  std::vector<std::string> keys;  // of the grid, in its order
  std::vector<SweepRun> runs;
  std::string target, cost;  // names of numbers: what is to be gained and what it costs; target may be empty
};

// Runs that differ in the seed only.
struct Condition {
  std::vector<std::string> values;  // one a key of condition_keys
  std::string label;                // "selection.n = 50, tuning.method = circuit"; "the configuration" without keys
  int64_t runs = 0;                 // in the grid
  int64_t finished = 0;
  std::map<std::string, ReplicateMean> before, after;  // over the finished runs that have the number
  bool on_front = false;
  std::vector<CostPoint> curve{};  // the cost along the way to the target, where all finished runs have one
};

// The sweep's keys without the seed.
std::vector<std::string> condition_keys(const Sweep& sweep);
// In the order in which the runs meet them, with on_front set for those that have both target and cost.
std::vector<Condition> conditions_of(const Sweep& sweep);

// Names of numbers in the order of tables: target, cost, other evaluations, then those of a run.
std::vector<std::string> number_names(const Sweep& sweep);

}  // namespace circuit
