// A number that says how good a model is, as tables and run stores name it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "evaluation/bootstrap.h"

namespace circuit {

struct Measure {
  std::string name;                  // "accuracy", "f1_no_answer", …
  double value = 0;                  // shares are 0 … 1
  std::optional<Interval> interval;  // 95 %, bootstrap over records
};

// The mean over records of one number each, with its interval. values not empty.
inline Measure mean_measure(const std::string& name, const std::vector<double>& values, Rng& rng) {
  const Estimate e = mean_estimate(values, rng);
  return {name, e.value, e.interval};
}

}  // namespace circuit
