#include "evaluation/faithfulness.h"

#include <cmath>

namespace circuit {

MetricRange metric_range(const CircuitOutcome& full, const CircuitOutcome& empty, Rng& rng) {
  // The difference example by example: the two runs are paired, and their noise is mostly shared.
  std::vector<double> effect(full.metric.size());
  for (size_t i = 0; i < effect.size(); ++i) effect[i] = full.metric[i] - empty.metric[i];
  const Estimate range = mean_estimate(effect, rng);
  double rounding = 0;
  for (const double r : full.rounding) rounding += r / static_cast<double>(full.rounding.size());
  return {range.value, range.interval, rounding};
}

bool is_defined(const MetricRange& range) {
  return std::isfinite(range.value) && std::fabs(range.value) > range.rounding && !range.interval.contains(0);
}

Estimate faithfulness(const CircuitOutcome& circuit, const CircuitOutcome& full, const CircuitOutcome& empty,
                      Rng& rng) {
  return estimate(static_cast<int64_t>(circuit.metric.size()), rng, [&](const std::vector<int64_t>& sample) {
    const double none = mean_of(empty.metric, sample);
    return (mean_of(circuit.metric, sample) - none) / (mean_of(full.metric, sample) - none);
  });
}

Estimate faithfulness_difference(const CircuitOutcome& a, const CircuitOutcome& b, const CircuitOutcome& full,
                                 const CircuitOutcome& empty, Rng& rng) {
  return estimate(static_cast<int64_t>(a.metric.size()), rng, [&](const std::vector<int64_t>& sample) {
    return (mean_of(a.metric, sample) - mean_of(b.metric, sample)) /
           (mean_of(full.metric, sample) - mean_of(empty.metric, sample));
  });
}

}  // namespace circuit
