// What a run had cost when it first reached a gain.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace circuit {

// Along evaluations (target, cost) in the order of steps: the cost where the target first reaches `at`, from the side
// it began on, between two evaluations on a straight line. None where it never does, was there at the first, or where
// one of the two has no cost.
std::optional<double> cost_at(const std::vector<std::pair<double, std::optional<double>>>& evaluations, double at);

// The same of a run's recorded evaluations of the target.
std::optional<double> cost_at_target(const std::string& run, const std::string& target, const std::string& cost,
                                     double at);

}  // namespace circuit
