// What was gained against what it cost, as a Vega-Lite specification: a point a condition or a run, and the Pareto
// front through them. The pages of sweeps and of runs share it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/t_interval.h"
#include "io/json.h"

namespace circuit {

// Values of the rows' field "kind".
constexpr const char* kOnFront = "on the front";
constexpr const char* kOffFront = "not on the front";
constexpr const char* kBefore = "before tuning";
constexpr const char* kPath = "on the way";

struct FrontPoint {
  std::string name;   // in the tooltip
  std::string label;  // beside the point where colours tell kinds apart
  ReplicateMean target, cost;
  bool on_front = false;
  int64_t runs = 1;  // that the means are over
};

// A run's evaluations between its start and its point.
struct FrontPath {
  struct Step {
    int64_t step;
    double target, cost;
  };
  std::string name;  // of its point
  std::vector<Step> steps;
};

struct FrontChart {
  std::string target, cost;              // names of numbers (gain_and_cost.h says which way is better)
  std::string target_title, cost_title;  // as people read them
  std::vector<FrontPoint> points;
  std::optional<std::pair<double, double>> base;  // target, cost before tuning
  std::vector<FrontPath> paths;
  // Of the page, in its order: colours tell runs apart, points have their names in a legend. Empty: colours tell apart
  // what is on the front, and its points have labels.
  std::vector<std::string> runs;
};

// Rows of data.values: kind, name or run, target, cost and, where known, the ends of their intervals (target_low, …),
// of a path also step. Points with a value that is not finite are left out: a chart has no place for them; the caller
// says so. Null without a point.
Json front_spec(const FrontChart& chart);

}  // namespace circuit
