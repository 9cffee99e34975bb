// Student's t interval of a mean over few independent runs.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "evaluation/bootstrap.h"

namespace circuit {

// t such that a Student variable with so many degrees of freedom is inside ±t with this probability, to about 1e-9
// relative. degrees ≥ 1, 0 < inside < 1. Source: Abramowitz and Stegun 26.7.3 and 26.7.4, inverted by bisection.
double t_quantile(int64_t degrees, double inside);

// Over replicates (seeds) that are few: a bootstrap of three values is far too narrow. Assumes that the replicates are
// independent and about normal.
struct ReplicateMean {
  double mean = 0;
  std::optional<Interval> interval;  // 95 %: mean ± t(n − 1) s / √n; none for a single value
  int64_t n = 0;
};
// values not empty.
ReplicateMean replicate_mean(const std::vector<double>& values);

}  // namespace circuit
