// Runs side by side as a table for the terminal: what each reached and what it cost.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace circuit {

// Evaluations of one run: step and values by name, ascending steps.
using EvaluationSeries = std::vector<std::pair<int64_t, std::map<std::string, double>>>;

// `value` where `metric` first reaches `level` from below, linear between the two evaluations around it; NaN
// when it never does or the values are missing.
double value_at_level(const EvaluationSeries& series, const std::string& metric, double level,
                      const std::string& value);

// The highest value of `metric` that all of the series reach: the lowest of their best. −∞ when one has none.
double common_level(const std::vector<EvaluationSeries>& series, const std::string& metric);

// One column a run. Rows: metric, accuracy and perplexity on the test split (dev without one), untouched
// perplexity, each before → after; untouched perplexity at equal dev metric (the lowest best of the runs);
// parameters touched; training time. Throws Error naming a run that is not finished.
std::string comparison_table(const std::vector<std::string>& run_folders);

}  // namespace circuit
