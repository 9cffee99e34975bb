// What runs had cost on the way to a gain, and what the seeds of a condition say of it together.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "evaluation/t_interval.h"

namespace circuit {

// A run's evaluations in the order of steps: the target, and the cost where that was read.
using Evaluations = std::vector<std::pair<double, std::optional<double>>>;

// The cost where the target first reaches `at`, from the side it began on, between two evaluations on a straight line.
// None where it never does, was there at the first, or where one of the two has no cost.
std::optional<double> cost_at(const Evaluations& evaluations, double at);

// The cost at one target over the runs of a condition.
struct CostPoint {
  double target = 0;
  ReplicateMean cost;
};

// At equal distances from where the runs began to what the least of them reached, where every run has a cost. Empty
// where they began apart, or went both ways.
std::vector<CostPoint> cost_curve(const std::vector<const Evaluations*>& runs);

}  // namespace circuit
