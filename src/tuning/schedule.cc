#include "tuning/schedule.h"

#include <algorithm>
#include <cmath>

namespace circuit {

double learning_rate(const Schedule& s, int64_t step) {
  if (step < s.warmup) return s.lr * static_cast<double>(step + 1) / static_cast<double>(s.warmup);
  if (s.kind == ScheduleKind::kConstant) return s.lr;
  const double span = static_cast<double>(std::max<int64_t>(1, s.steps - s.warmup));
  const double done = std::min(1.0, static_cast<double>(step - s.warmup) / span);
  constexpr double kPi = 3.141592653589793;
  const double shape = s.kind == ScheduleKind::kLinear ? 1 - done : 0.5 * (1 + std::cos(kPi * done));
  return s.lr * (s.final_share + (1 - s.final_share) * shape);
}

}  // namespace circuit
