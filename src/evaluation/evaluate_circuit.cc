#include "evaluation/evaluate_circuit.h"

#include <algorithm>
#include <utility>

namespace circuit {

RunMeans means_of(const CircuitOutcome& outcome, Rng& rng) {
  RunMeans means;
  means.metric = mean_estimate(outcome.metric, rng);
  means.accuracy = mean_estimate(outcome.accuracy, rng);
  means.kl = mean_estimate(outcome.kl, rng);
  return means;
}

namespace {

// Circuits that one pass runs; each group added is taken out again when it has run.
class Batch {
 public:
  struct Group {
    size_t first = 0, count = 0;
  };
  Group add(const std::vector<Circuit>& circuits) {
    const Group group{circuits_.size(), circuits.size()};
    circuits_.insert(circuits_.end(), circuits.begin(), circuits.end());
    return group;
  }
  Group add(const std::vector<SizedCircuit>& sizes) {
    std::vector<Circuit> circuits;
    for (const SizedCircuit& s : sizes) circuits.push_back(s.run);
    return add(circuits);
  }
  template <typename Run>
  void run(const Run& run) {
    outcomes_ = run(circuits_);
  }
  std::vector<CircuitOutcome> of(const Group& g) const {
    std::vector<CircuitOutcome> group;
    for (size_t i = 0; i < g.count; ++i) group.push_back(outcomes_[g.first + i]);
    return group;
  }

 private:
  std::vector<Circuit> circuits_;
  std::vector<CircuitOutcome> outcomes_;
};

}  // namespace

void EvaluationSpec::declare(Settings* s) {
  s->add("redundancy", &redundancy, "Edges removed one by one for minimality; 0: none.").at_least(0);
  s->add("baselines", &baselines,
         "Circuits of as many edges beside it: random ones, and by the scores magnitude and wanda.")
      .since_version("0.3");
  s->add("draws", &draws, "Random circuits among the baselines.").range(1, 1000).since_version("0.3");
}

CircuitEvaluation judge_circuit(const Graph& graph, const Circuit& circuit, const Circuit& run,
                                const CircuitOutcome& full, const CircuitOutcome& empty, const CircuitOutcome& alone,
                                Rng& rng) {
  CircuitEvaluation result;
  result.examples = static_cast<int64_t>(full.metric.size());
  result.graph_edges = graph.n_edges();
  result.edges = static_cast<int64_t>(circuit.edges.size());
  result.edges_run = static_cast<int64_t>(run.edges.size());
  result.range = metric_range(full, empty, rng);
  result.full = means_of(full, rng);
  result.empty = means_of(empty, rng);
  result.circuit = means_of(alone, rng);
  if (is_defined(result.range)) result.faithfulness = faithfulness(alone, full, empty, rng);
  return result;
}

CircuitEvaluation evaluate_circuit(const Model& model, const SelectionInput& input, const Circuit& circuit,
                                   const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                   const EvaluationSpec& evaluation, Rng& rng, const ProgressCallback& progress) {
  const Graph& graph = input.graph;
  const auto run_form = [&](const Circuit& c) { return as_run(graph, c, evaluation.pruning); };
  const Circuit run = run_form(circuit);
  Batch batch;
  const Batch::Group single = batch.add({whole(graph), Circuit(), run, run_form(complement(graph, circuit))});
  std::vector<SizedCircuit> by_score, by_magnitude;
  if (evaluation.curve) {
    by_score = curve_circuits(input, Ranking::kSigned, evaluation.pruning);
    by_magnitude = curve_circuits(input, Ranking::kMagnitude, evaluation.pruning);
  }
  const Batch::Group score_group = batch.add(by_score);
  const Batch::Group magnitude_group = batch.add(by_magnitude);
  std::vector<Circuit> without = without_sampled_edges(run, evaluation.redundancy, rng);
  for (Circuit& c : without) c = run_form(c);
  const Batch::Group without_group = batch.add(without);
  std::vector<SizedBaseline> baselines;
  if (evaluation.baselines) {
    baselines = sized_baselines(model, graph, examples, spec, static_cast<int64_t>(run.edges.size()),
                                evaluation.pruning, evaluation.draws, rng);
  }
  std::vector<Circuit> own_runs;
  std::vector<Circuit> other_runs;
  for (const SizedBaseline& b : baselines) {
    own_runs.push_back(b.run);
    other_runs.push_back(b.others);
  }
  const Batch::Group baseline_runs = batch.add(own_runs);
  const Batch::Group baseline_others = batch.add(other_runs);
  batch.run([&](const auto& circuits) { return run_circuits(model, graph, examples, spec, circuits, progress); });

  const std::vector<CircuitOutcome> one = batch.of(single);
  const CircuitOutcome &full = one[0], &empty = one[1], &alone = one[2], &others = one[3];
  CircuitEvaluation result = judge_circuit(graph, circuit, run, full, empty, alone, rng);
  if (evaluation.baselines) {
    // Numbers of their own, so that those of the evaluation are the same without them.
    Rng own = rng.split("baselines");
    result.baselines = judge_baselines(baselines, batch.of(baseline_runs), batch.of(baseline_others), alone, full,
                                       empty, result.faithfulness.has_value(), own);
  }
  if (!result.faithfulness) return result;
  result.completeness_gap = faithfulness(others, full, empty, rng);
  if (without_group.count > 0) result.minimality = minimality(alone, batch.of(without_group), full, empty, rng);
  if (!evaluation.curve) return result;
  FaithfulnessCurve curve;
  curve.cpr = cpr(batch.of(score_group), full, empty, rng);
  curve.cmd = cmd(batch.of(magnitude_group), full, empty, rng);
  curve.by_score = curve_points(by_score, batch.of(score_group), full, empty, rng);
  curve.by_magnitude = curve_points(by_magnitude, batch.of(magnitude_group), full, empty, rng);
  result.curve = std::move(curve);
  return result;
}

}  // namespace circuit
