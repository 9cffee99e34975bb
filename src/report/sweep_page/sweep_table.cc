#include "report/sweep_page/sweep_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/names.h"

namespace circuit {
namespace {

constexpr std::array<std::pair<const char*, RunStatus>, 5> kStatuses{{{"waiting", RunStatus::kWaiting},
                                                                      {"running", RunStatus::kRunning},
                                                                      {"stopped", RunStatus::kStopped},
                                                                      {"failed", RunStatus::kFailed},
                                                                      {"finished", RunStatus::kFinished}}};

std::map<std::string, ReplicateMean> means_of(const std::vector<const Numbers*>& runs) {
  std::map<std::string, std::vector<double>> values;
  for (const Numbers* numbers : runs) {
    for (const auto& [name, value] : *numbers) values[name].push_back(value);
  }
  std::map<std::string, ReplicateMean> means;
  for (const auto& [name, list] : values) means[name] = replicate_mean(list);
  return means;
}

// The values of a run without the seed's.
std::vector<std::string> condition_values(const Sweep& sweep, const SweepRun& run) {
  std::vector<std::string> values;
  for (size_t i = 0; i < sweep.keys.size(); ++i) {
    if (sweep.keys[i] != kReplicateKey) values.push_back(run.values[i]);
  }
  return values;
}

std::string label_of(const std::vector<std::string>& keys, const std::vector<std::string>& values) {
  std::string label;
  for (size_t i = 0; i < keys.size(); ++i) label += (i == 0 ? "" : ", ") + keys[i] + " = " + values[i];
  return label.empty() ? "the configuration" : label;
}

double oriented(const Condition& condition, const std::string& name) {
  const auto found = condition.after.find(name);
  if (found == condition.after.end()) return std::nan("");
  return lower_is_better(name) ? -found->second.mean : found->second.mean;
}

}  // namespace

std::string to_string(RunStatus status) {
  for (const auto& [word, each] : kStatuses) {
    if (each == status) return word;
  }
  return "";
}

RunStatus parse_status(const std::string& word, const std::string& place) {
  for (const auto& [each, status] : kStatuses) {
    if (word == each) return status;
  }
  fail(place, "status: found '{}', expected one of {}.", word,
       joined(kStatuses, [](const auto& s) { return s.first; }));
}

std::vector<std::string> condition_keys(const Sweep& sweep) {
  std::vector<std::string> keys;
  for (const std::string& key : sweep.keys) {
    if (key != kReplicateKey) keys.push_back(key);
  }
  return keys;
}

std::vector<Condition> conditions_of(const Sweep& sweep) {
  const std::vector<std::string> keys = condition_keys(sweep);
  std::vector<Condition> conditions;
  for (const SweepRun& run : sweep.runs) {
    const std::vector<std::string> values = condition_values(sweep, run);
    const bool is_new =
        std::none_of(conditions.begin(), conditions.end(), [&](const Condition& c) { return c.values == values; });
    if (is_new) conditions.push_back({values, label_of(keys, values), 0, 0, {}, {}, false});
  }
  std::vector<ParetoPoint> points;
  for (Condition& condition : conditions) {
    std::vector<const Numbers*> before, after;
    std::vector<const Evaluations*> along;
    for (const SweepRun& run : sweep.runs) {
      if (condition_values(sweep, run) != condition.values) continue;
      ++condition.runs;
      if (run.status != RunStatus::kFinished) continue;
      ++condition.finished;
      before.push_back(&run.before);
      after.push_back(&run.after);
      along.push_back(&run.along);
    }
    condition.before = means_of(before);
    condition.after = means_of(after);
    condition.curve = cost_curve(along);
    points.push_back({oriented(condition, sweep.target), oriented(condition, sweep.cost)});
  }
  const std::vector<bool> front = pareto_front(points);
  for (size_t i = 0; i < conditions.size(); ++i) conditions[i].on_front = front[i];
  return conditions;
}

std::vector<std::string> number_names(const Sweep& sweep) {
  const std::vector<std::string> own{kCostAtTarget, kTouchedShare,   kLargestShare,
                                     kChangeNorm,   kSecondsPerStep, kPeakMemory};
  std::set<std::string> measured;
  for (const SweepRun& run : sweep.runs) {
    for (const auto& [name, value] : run.after) measured.insert(name);
  }
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (measured.erase(name) > 0) names.push_back(name);
  };
  add(sweep.target);
  add(sweep.cost);
  const std::vector<std::string> rest(measured.begin(), measured.end());
  for (const std::string& name : rest) {
    if (std::find(own.begin(), own.end(), name) == own.end()) add(name);
  }
  for (const std::string& name : own) add(name);
  return names;
}

}  // namespace circuit
