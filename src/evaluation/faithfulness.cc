#include "evaluation/faithfulness.h"

namespace circuit {

Estimate metric_range(const CircuitOutcome& full, const CircuitOutcome& empty, Rng& rng) {
  // The difference example by example: the two runs are paired, and their noise is mostly shared.
  std::vector<double> effect(full.metric.size());
  for (size_t i = 0; i < effect.size(); ++i) effect[i] = full.metric[i] - empty.metric[i];
  return mean_estimate(effect, rng);
}

bool is_defined(const Estimate& range) { return !range.interval.contains(0); }

Estimate faithfulness(const CircuitOutcome& circuit, const CircuitOutcome& full, const CircuitOutcome& empty,
                      Rng& rng) {
  return estimate(static_cast<int64_t>(circuit.metric.size()), rng, [&](const std::vector<int64_t>& sample) {
    const double none = mean_of(empty.metric, sample);
    return (mean_of(circuit.metric, sample) - none) / (mean_of(full.metric, sample) - none);
  });
}

}  // namespace circuit
