// The numbers that runs are compared by, which way of each is better, and the Pareto front.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace circuit {

// By name: evaluations ("dev/metric"), and those below.
using Numbers = std::map<std::string, double>;

// Numbers of a run that are no evaluation, by the names that tables and axes use.
constexpr const char* kUntouched = "untouched/perplexity";
constexpr const char* kTouchedShare = "touched_share";  // of the parameters, changed by the best step: 0 … 1
constexpr const char* kLargestShare = "largest_trainable_share";  // of the parameters, trained at one step: 0 … 1
constexpr const char* kChangeNorm = "change_norm";  // ‖ΔW‖₂ over all parameters, best step against base
constexpr const char* kSecondsPerStep = "seconds_per_step";
constexpr const char* kPeakMemory = "peak_memory";  // bytes, of the process while it ran
// The sweep's cost where its target first reaches a value, between evaluations of a run on a straight line.
constexpr const char* kCostAtTarget = "cost_at_target";

// Perplexities, nats, divergences, prejudice risk, shares of parameters, the change's norm and times: smaller is
// better. All else: larger is.
bool lower_is_better(const std::string& number);

// A condition as a point: both coordinates such that larger is better. True for those that no other point dominates
// (at least as good in both and better in one). A point with a coordinate that is not finite is never on the front and
// dominates nothing: it is no measurement.
struct ParetoPoint {
  double gain = 0;
  double saving = 0;
};
std::vector<bool> pareto_front(const std::vector<ParetoPoint>& points);

}  // namespace circuit
