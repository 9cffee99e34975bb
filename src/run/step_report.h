// A step as a program sees it that looks on.
#pragma once

#include <cstdint>
#include <functional>

#include "run/evaluate_run.h"

namespace circuit {

struct StepReport {
  int64_t step = 0;   // updates done
  double loss = 0;    // mean nats per target token, before the update
  double metric = 0;  // of the discovery on this step, or NaN
  double learning_rate = 0;
  int64_t edges = 0;  // of the circuit; 0 without one
  int64_t trainable_parameters = 0;
  double seconds = 0;
  Evaluation evaluation;   // after the update; empty: none was due
  int64_t sent_bytes = 0;  // by this rank to others
};

using StepHook = std::function<void(const StepReport&)>;

}  // namespace circuit
