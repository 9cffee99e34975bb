// What a run reached and what it cost, as values: the page's first screen is drawn from them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report/kit/front_chart.h"
#include "report/kit/gain_and_cost.h"
#include "report/run_page/comparison.h"
#include "report/run_page/run_data.h"

namespace circuit {

struct RunResult {
  std::string name, method;
  std::string status;  // "finished", "running", "stopped"; empty where none was recorded
  int64_t steps = 0;
  int64_t step = 0;         // that `after` is of: the best, else the last evaluated
  Numbers before;           // evaluations at the first step evaluated
  Numbers after;            // the same at `step` and, where known, kTouchedShare; values may be NaN or infinite
  EvaluationSeries series;  // all evaluations by step
};

RunResult result_of(const RunData& run);

// "metric", "accuracy", … of the split that all runs have at their step: test, else dev; else one that any has.
// Empty when none has one.
std::string shown_name(const std::vector<RunResult>& runs, const std::string& measure);

// What the picture has on its axes: names of numbers; empty where no run has one.
struct Axes {
  std::string target;  // dev/metric, else another number of behaviour. Of dev before test: runs have its course.
  std::string cost;    // untouched/perplexity; where a run has no untouched text, kTouchedShare
};
Axes axes_of(const std::vector<RunResult>& runs);

// A point a run at its step, the Pareto front, and each run's way there where its evaluations have both numbers.
FrontChart front_of(const std::vector<RunResult>& runs, const Axes& axes);

// The runs that front_of's chart has no place for, since a value is missing or not finite.
struct Undrawn {
  std::string run, number;
  std::optional<double> value;  // none: missing
};
std::vector<Undrawn> undrawn(const std::vector<RunResult>& runs, const Axes& axes);

// "test metric", "untouched perplexity", "parameters touched".
std::string title_of(const std::string& number);

}  // namespace circuit
