#include "evaluation/minimality.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace circuit {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

std::vector<Circuit> without_sampled_edges(const Circuit& circuit, int64_t most, Rng& rng) {
  std::vector<int64_t> order = permutation(static_cast<int64_t>(circuit.edges.size()), rng);
  order.resize(std::min<size_t>(order.size(), most));
  std::vector<Circuit> without;
  for (const int64_t i : order) {
    without.push_back(circuit);
    without.back().edges.erase(without.back().edges.begin() + i);
  }
  return without;
}

Minimality minimality(const CircuitOutcome& circuit, const std::vector<CircuitOutcome>& without,
                      const CircuitOutcome& full, const CircuitOutcome& empty, Rng& rng) {
  const double rounding = full.rounding.empty() ? 0 : mean(full.rounding);
  const double bound = std::max(rounding, kRedundantShare * std::fabs(mean(full.metric) - mean(empty.metric)));
  std::vector<double> needed;
  for (const CircuitOutcome& o : without) {
    needed.push_back(std::fabs(mean(o.metric) - mean(circuit.metric)) < bound ? 0 : 1);
  }
  return {mean_estimate(needed, rng), static_cast<int64_t>(needed.size())};
}

}  // namespace circuit
