// exact: M(clean) − M(edge ablated), one edge at a time; and the same of some edges, to judge other methods by.
#include "scoring/exact.h"

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "intervention/circuit_run.h"
#include "scoring/gradient_methods.h"

namespace circuit {

std::vector<double> exact_effects(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                                  const ScoreSpec& spec, const std::vector<int64_t>& edges,
                                  const ProgressCallback& progress, double* metric) {
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  std::vector<double> sums(edges.size());
  double clean_sum = 0;
  const auto total = static_cast<int64_t>(examples.size() * edges.size());
  int64_t done = 0;
  for_batches(model, examples, spec, {}, [&](const ScoreBatch& batch) {
    const NodeOutputs outputs = ablated->of(batch.examples, batch.clean);
    CircuitRunner runner(model, graph, batch.clean.tokens, outputs);
    std::vector<bool> present(graph.n_edges(), true);
    const auto run = [&] { return metric_sum(model, batch.clean, spec.metric, runner.run(present), nullptr); };
    const double clean = run();
    clean_sum += clean;
    for (size_t i = 0; i < edges.size(); ++i) {
      present[edges[i]] = false;
      sums[i] += clean - run();
      present[edges[i]] = true;
      done += batch.clean.examples;
      if (progress) progress(done / static_cast<int64_t>(edges.size()), total / static_cast<int64_t>(edges.size()));
    }
  });
  const auto n = static_cast<double>(examples.size());
  for (size_t i = 0; i < edges.size(); ++i) {
    sums[i] /= n;
    if (!std::isfinite(sums[i])) fail("scoring", "the effect of edge {} is not finite.", graph.edge_name(edges[i]));
  }
  if (metric != nullptr) *metric = clean_sum / n;
  return sums;
}

namespace {

ScoreResult score(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                  const ScoreSpec& spec, const ProgressCallback& progress) {
  if (examples.empty()) fail("scoring", "there are no examples to score on.");
  if (spec.positions != Positions::kAll)
    fail("scoring", "method exact ablates an edge at every position: use positions all.");
  std::vector<int64_t> edges(graph.n_edges());
  std::iota(edges.begin(), edges.end(), 0);
  ScoreResult result;
  result.examples = static_cast<int64_t>(examples.size());
  const std::vector<double> effects = exact_effects(model, graph, examples, spec, edges, progress, &result.metric);
  result.scores.values.assign(effects.begin(), effects.end());
  return result;
}

}  // namespace

Scorer exact_scorer() {
  return {"exact", "metric lost when one edge is ablated, edge by edge: slow", score, false, false, {0, 0}};
}

}  // namespace circuit
