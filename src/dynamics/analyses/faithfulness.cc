// Whether the circuits found along training carry the model of their time, and of other times (method.md §6).
#include "evaluation/faithfulness.h"

#include "core/error.h"
#include "dynamics/analysis.h"
#include "evaluation/curve.h"
#include "selection/prune.h"

namespace circuit {
namespace {

AnalysisResult run_faithfulness(const AnalysisInput& input) {
  ModelStates& states = *input.states;
  const Graph& graph = states.graph();
  std::vector<const RecordedDiscovery*> found;
  std::vector<Circuit> circuits;
  for (const int64_t step : states.steps()) {
    found.push_back(&discovery_of(input.run, step));
    circuits.push_back(prune(graph, found.back()->circuit));
  }
  AnalysisTable own{"faithfulness",
                    "circuits on the model of their time",
                    {"model_step", "discovery_step", "edges", "edges_pruned", "metric", "metric_empty", "faithfulness",
                     "low", "high", "completeness_gap"},
                    {}};
  AnalysisTable cross{"cross_application",
                      "circuit of one step on the model of another",
                      {"model_step", "circuit_step", "faithfulness", "low", "high"},
                      {}};
  Rng rng = Rng(input.seed).split("faithfulness");
  double least = 1e300;
  double first_on_last = 0;
  bool all_defined = true;
  for (size_t t = 0; t < circuits.size(); ++t) {
    const int64_t step = states.steps()[t];
    std::vector<Circuit> batch = circuits;
    batch.push_back(prune(graph, complement(graph, found[t]->circuit)));
    batch.emplace_back();
    batch.push_back(whole(graph));
    const std::vector<CircuitOutcome> outcomes =
        run_circuits(states.at(step), graph, states.examples(), states.spec(), batch, [](int64_t, int64_t) {});
    const CircuitOutcome& full = outcomes.back();
    const CircuitOutcome& empty = outcomes[outcomes.size() - 2];
    const bool defined = is_defined(metric_range(full, empty, rng));
    all_defined = all_defined && defined;
    std::vector<Json> row{step,
                          found[t]->step,
                          found[t]->circuit.edges.size(),
                          circuits[t].edges.size(),
                          mean_estimate(full.metric, rng).value,
                          mean_estimate(empty.metric, rng).value};
    if (!defined) {
      row.insert(row.end(), {nullptr, nullptr, nullptr, nullptr});
      own.rows.push_back(std::move(row));
      continue;
    }
    for (size_t s = 0; s < circuits.size(); ++s) {
      const Estimate f = faithfulness(outcomes[s], full, empty, rng);
      cross.rows.push_back({step, found[s]->step, f.value, f.interval.low, f.interval.high});
      if (s == t) {
        least = std::min(least, f.value);
        row.insert(row.end(), {f.value, f.interval.low, f.interval.high,
                               faithfulness(outcomes[circuits.size()], full, empty, rng).value});
      }
      if (s == 0 && t + 1 == circuits.size()) first_on_last = f.value;
    }
    own.rows.push_back(std::move(row));
  }
  AnalysisResult result;
  if (!own.rows.back()[6].is_null()) {
    result.findings.push_back(
        fmt::format("On the model of step {}: its own circuit has faithfulness {:.3f}, the base model's circuit {:.3f} "
                    "({} records).",
                    states.steps().back(), own.rows.back()[6].get<double>(), first_on_last, states.examples().size()));
    result.findings.push_back(fmt::format("The least faithful circuit on the model of its time: {:.3f}.", least));
  }
  if (!all_defined) {
    result.findings.push_back(
        "Where faithfulness is empty, the ablation does not move that model's metric for certain: a share of nothing.");
  }
  result.tables.push_back(std::move(own));
  result.tables.push_back(std::move(cross));
  return result;
}

}  // namespace

Analysis faithfulness_analysis() {
  return {"faithfulness", "circuits along training on the model of their time and of others", true, run_faithfulness};
}

}  // namespace circuit
