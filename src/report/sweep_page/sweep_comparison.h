// The conditions of a sweep as arms, each at its best learning rate (or another key that is free), against one of them:
// ratios of a number, paired by seed, and whether they are equal within a margin (two one-sided tests, Schuirmann
// 1987).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/json.h"
#include "report/sweep_page/sweep_table.h"

namespace circuit {

struct ComparisonSpec {
  std::string baseline;           // "key=value": the arm that the others are held against
  std::vector<std::string> free;  // keys of which every arm takes its best value, beside the seed
  std::string number;             // what is compared; lower or higher is better as for a front
  double margin = 0.15;           // a ratio within 1/(1 + margin) … 1 + margin is equal
};

enum class Verdict { kLess, kEqual, kMore, kUnknown };
const char* to_string(Verdict verdict);  // "less", "equal", …

struct Arm {
  std::string label;              // its keys that are not free
  std::string chosen;             // the values of the free ones; empty: there is none
  ReplicateMean value;            // of the number
  int64_t runs = 0, missing = 0;  // of the chosen values; missing: finished without the number
  // Against the baseline, over seeds that both have; geometric mean of the ratios.
  int64_t pairs = 0;
  double ratio = 1;
  std::optional<Interval> interval;  // 95 %, of Student's t over the logarithms; none for a single pair
  // kLess, kMore: the 95 % interval lies beyond the margin; kEqual: the 90 % interval lies within it (both one-sided
  // tests at 5 %); else kUnknown.
  Verdict verdict = Verdict::kUnknown;
};

// The baseline first, then in the order in which the runs meet them; arms without a run that has the number are left
// out. The best value of a free key is that of the best mean over the seeds, among those where no finished run lacks
// the number if there are any. Throws UsageError for a key that is not of the grid, a value that no run has, and a
// margin that is not above 0.
std::vector<Arm> compare_arms(const Sweep& sweep, const ComparisonSpec& spec);

// As a table for the terminal, with an empty line behind it; and as JSON {"number", "baseline", "margin", "arms": […]}.
// Without arms nothing, and null.
std::string comparison_table(const std::vector<Arm>& arms, const ComparisonSpec& spec);
Json comparison_json(const std::vector<Arm>& arms, const ComparisonSpec& spec);

}  // namespace circuit
