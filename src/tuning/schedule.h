// Learning rate per step (method.md §5).
#pragma once

#include <cstdint>

namespace circuit {

enum class ScheduleKind { kConstant, kLinear, kCosine };

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double lr = 1e-4;
  int64_t warmup = 0;      // steps
  int64_t steps = 0;       // of the whole run
  double final_share = 0;  // of lr, reached after the last step; linear and cosine
};

// lr · min(1, (s+1)/warmup), then the schedule from the end of warm-up to the last step. Never zero at the
// start. Steps count from 0.
double learning_rate(const Schedule& schedule, int64_t step);

}  // namespace circuit
