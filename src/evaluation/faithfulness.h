// How much of the model's behaviour a circuit carries (method.md §6).
#pragma once

#include "evaluation/bootstrap.h"
#include "evaluation/circuits.h"

namespace circuit {

// m(full) − m(∅): what the ablation does to the metric, the unit that faithfulness is measured in.
struct MetricRange {
  double value = 0;
  Interval interval;
  double rounding = 0;  // a range no larger is rounding (metric_rounding.h), whatever its interval
};
MetricRange metric_range(const CircuitOutcome& full, const CircuitOutcome& empty, Rng& rng);

// Whether a share of that range means anything: not when it is not finite, is rounding, or its interval contains 0.
bool is_defined(const MetricRange& range);

// f(C) = (m(C) − m(∅)) / (m(full) − m(∅)), with its interval over examples.
Estimate faithfulness(const CircuitOutcome& circuit, const CircuitOutcome& full, const CircuitOutcome& empty, Rng& rng);

// f(a) − f(b) on the same examples: what they share of its noise is not in its interval.
Estimate faithfulness_difference(const CircuitOutcome& a, const CircuitOutcome& b, const CircuitOutcome& full,
                                 const CircuitOutcome& empty, Rng& rng);

}  // namespace circuit
