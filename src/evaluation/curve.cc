#include "evaluation/curve.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "evaluation/faithfulness.h"
#include "selection/prune.h"

namespace circuit {
namespace {

// ∫ of `height` of f over the curve, with its interval over examples: each resample draws a curve of its own.
template <typename Height>
Estimate curve_area(const std::vector<CircuitOutcome>& outcomes, const CircuitOutcome& full,
                    const CircuitOutcome& empty, Rng& rng, const Height& height) {
  return estimate(static_cast<int64_t>(full.metric.size()), rng, [&](const std::vector<int64_t>& sample) {
    const double none = mean_of(empty.metric, sample);
    const double range = mean_of(full.metric, sample) - none;
    std::vector<double> heights;
    for (const CircuitOutcome& o : outcomes) heights.push_back(height((mean_of(o.metric, sample) - none) / range));
    return area(heights);
  });
}

}  // namespace

const std::vector<double>& curve_shares() {
  static const std::vector<double> shares{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1};
  return shares;
}

double area(const std::vector<double>& heights) {
  const std::vector<double>& x = curve_shares();
  double sum = 0;
  for (size_t i = 1; i < x.size(); ++i) sum += (x[i] - x[i - 1]) * (heights[i] + heights[i - 1]) / 2;
  return sum;
}

Circuit as_run(const Graph& graph, const Circuit& circuit, Pruning pruning) {
  return pruning == Pruning::kKeep ? circuit : prune(graph, circuit);
}

Circuit complement(const Graph& graph, const Circuit& circuit) {
  Circuit others;
  for (int64_t e = 0; e < graph.n_edges(); ++e) {
    if (!std::binary_search(circuit.edges.begin(), circuit.edges.end(), e)) others.edges.push_back(e);
  }
  return others;
}

Circuit whole(const Graph& graph) {
  Circuit all;
  all.edges.resize(graph.n_edges());
  std::iota(all.edges.begin(), all.edges.end(), 0);
  return all;
}

std::vector<SizedCircuit> curve_circuits(const SelectionInput& input, Ranking ranking, Pruning pruning) {
  std::vector<SizedCircuit> all;
  Rng unused(0);
  for (const double share : curve_shares()) {
    if (share == 1) {
      all.push_back({share, whole(input.graph), whole(input.graph)});
      continue;
    }
    SelectionSpec spec;
    spec.n = static_cast<int64_t>(share * static_cast<double>(input.graph.n_edges()));
    spec.signed_scores = ranking == Ranking::kSigned;
    const Circuit nominal = spec.n == 0 ? Circuit{} : top_edges_selector().select(input, spec, unused);
    all.push_back({share, nominal, as_run(input.graph, nominal, pruning)});
  }
  return all;
}

std::vector<CurvePoint> curve_points(const std::vector<SizedCircuit>& circuits,
                                     const std::vector<CircuitOutcome>& outcomes, const CircuitOutcome& full,
                                     const CircuitOutcome& empty, Rng& rng) {
  std::vector<CurvePoint> points;
  for (size_t i = 0; i < circuits.size(); ++i) {
    points.push_back({circuits[i].share, static_cast<int64_t>(circuits[i].nominal.edges.size()),
                      static_cast<int64_t>(circuits[i].run.edges.size()), faithfulness(outcomes[i], full, empty, rng)});
  }
  return points;
}

Estimate cpr(const std::vector<CircuitOutcome>& outcomes, const CircuitOutcome& full, const CircuitOutcome& empty,
             Rng& rng) {
  return curve_area(outcomes, full, empty, rng, [](double f) { return f; });
}

Estimate cmd(const std::vector<CircuitOutcome>& outcomes, const CircuitOutcome& full, const CircuitOutcome& empty,
             Rng& rng) {
  return curve_area(outcomes, full, empty, rng, [](double f) { return std::fabs(1 - f); });
}

}  // namespace circuit
