// exact: M(clean) − M(edge ablated), one edge at a time; and the same of some edges, to judge other methods by.
#include "scoring/exact.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "intervention/circuit_run.h"
#include "scoring/gradient_methods.h"
#include "task/metric_rounding.h"

namespace circuit {

ExactEffects exact_effects(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                           const ScoreSpec& spec, const std::vector<int64_t>& edges, const ProgressCallback& progress) {
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  ExactEffects result;
  const auto total = static_cast<int64_t>(examples.size() * edges.size());
  int64_t done = 0;
  const auto add = [&](const ScoreBatch& batch, ScoreResult* one) {
    at::Tensor lost = at::zeros({static_cast<int64_t>(edges.size())}, at::kDouble);
    at::Tensor rounding = at::zeros({1}, at::kDouble);
    const NodeOutputs outputs = ablated->of(batch.examples, batch.clean);
    CircuitRunner runner(model, graph, batch.clean.tokens, outputs);
    std::vector<bool> present(graph.n_edges(), true);
    const auto run = [&] { return metric_sum(model, batch.clean, spec.metric, runner.run(present), nullptr); };
    const at::Tensor whole = runner.run(present);
    const double clean = metric_sum(model, batch.clean, spec.metric, whole, nullptr);
    one->metric = clean;
    one->examples = batch.clean.examples;
    for (const double r : metric_rounding(model, batch.clean, spec.metric, whole)) *rounding.data_ptr<double>() += r;
    for (size_t i = 0; i < edges.size(); ++i) {
      present[edges[i]] = false;
      lost.data_ptr<double>()[i] = clean - run();
      present[edges[i]] = true;
      done += batch.clean.examples;
      if (progress) progress(done / static_cast<int64_t>(edges.size()), total / static_cast<int64_t>(edges.size()));
    }
    return std::vector<at::Tensor>{lost, rounding};
  };
  ScoreResult metric;
  const std::vector<at::Tensor> sums = sum_batches(model, examples, spec, {}, &metric, add);
  const auto n = static_cast<double>(examples.size());
  for (size_t i = 0; i < edges.size(); ++i) {
    result.effects.push_back(sums[0].data_ptr<double>()[i] / n);
    if (!std::isfinite(result.effects[i]))
      fail("scoring", "the effect of edge {} is not finite.", graph.edge_name(edges[i]));
  }
  result.metric = metric.metric / n;
  result.rounding = sums[1].item<double>() / n;
  return result;
}

namespace {

ScoreResult score_exact(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                        const ScoreSpec& spec, const ProgressCallback& progress) {
  if (examples.empty()) fail("scoring", "there are no examples to score on.");
  if (spec.positions != Positions::kAll)
    fail("scoring", "method exact ablates an edge at every position: use positions all.");
  std::vector<int64_t> edges(graph.n_edges());
  std::iota(edges.begin(), edges.end(), 0);
  ScoreResult result;
  result.examples = static_cast<int64_t>(examples.size());
  const ExactEffects found = exact_effects(model, graph, examples, spec, edges, progress);
  result.metric = found.metric;
  // Where no edge has an effect beyond rounding, none has one: a ranking of rounding would look like any other.
  const auto counts = [&](double effect) { return std::fabs(effect) > found.rounding; };
  if (std::any_of(found.effects.begin(), found.effects.end(), counts)) {
    result.scores.values.assign(found.effects.begin(), found.effects.end());
  } else {
    result.scores.values.assign(found.effects.size(), 0.0F);
  }
  return result;
}

}  // namespace

Scorer exact_scorer() {
  return {"exact", "metric lost when one edge is ablated, edge by edge: slow", score_exact, false, false, {0, 0}};
}

}  // namespace circuit
