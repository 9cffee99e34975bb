#include "sweep/cost_at_target.h"

#include <map>

#include "store/run_reader.h"

namespace circuit {

std::optional<double> cost_at(const std::vector<std::pair<double, std::optional<double>>>& evaluations, double at) {
  if (evaluations.empty() || evaluations[0].first == at) return {};
  const bool rises = evaluations[0].first < at;
  for (size_t i = 1; i < evaluations.size(); ++i) {
    const auto& [target, cost] = evaluations[i];
    if (rises ? target < at : target > at) continue;
    const auto& [last_target, last_cost] = evaluations[i - 1];
    if (target == at) return cost;
    if (!cost || !last_cost) return {};
    return *last_cost + (*cost - *last_cost) * (at - last_target) / (target - last_target);
  }
  return {};
}

std::optional<double> cost_at_target(const std::string& run, const std::string& target, const std::string& cost,
                                     double at) {
  std::map<int64_t, std::map<std::string, double>> by_step;
  for (const auto& row : RunReader(run).evaluations()) by_step[row.step][row.name] = row.value;
  std::vector<std::pair<double, std::optional<double>>> along;
  for (const auto& [step, values] : by_step) {
    const auto gained = values.find(target);
    if (gained == values.end()) continue;
    const auto paid = values.find(cost);
    along.emplace_back(gained->second, paid == values.end() ? std::nullopt : std::optional<double>(paid->second));
  }
  return cost_at(along, at);
}

}  // namespace circuit
