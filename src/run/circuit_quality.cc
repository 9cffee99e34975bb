#include "run/circuit_quality.h"

#include "core/error.h"
#include "evaluation/evaluate_circuit.h"

namespace circuit {
namespace {

std::vector<const Example*> first_records(const RunConfig& config, const TuneData& data) {
  std::vector<const Example*> examples;
  for (const Example& e : data.dev->examples) {
    if (static_cast<int64_t>(examples.size()) == config.evaluation.circuit_records) break;
    examples.push_back(&e);
  }
  return examples;
}

}  // namespace

void check_quality_records(const RunConfig& config, const TuneData& data, const Architecture& architecture) {
  if (config.evaluation.circuit_records == 0) return;
  if (!data.dev) fail("evaluation.circuit_records", "the circuit is judged on data.dev, which is missing.");
  const std::vector<const Example*> examples = first_records(config, data);
  const Ablation* ablation = config.discovery.score.ablation;
  for (const Example* e : examples) {
    check_metric(find_metric(config.discovery.score.metric), *e);
  }
  ablation->check(examples, architecture);
}

void add_circuit_quality(const RunConfig& config, const TuneModel& model, const TuneData& data, const Circuit& circuit,
                         const EvaluationProgress& progress, Evaluation* values) {
  ScoreSpec spec(find_metric(config.discovery.score.metric));
  spec.ablation = config.discovery.score.ablation;
  EvaluationSpec what;
  what.curve = false;
  what.redundancy = 0;
  Rng rng = Rng(static_cast<uint64_t>(config.tuning.batches.seed)).split("circuit quality");
  const EdgeScores unscored{std::vector<float>(model.graph.n_edges())};
  const CircuitEvaluation e = evaluate_circuit(model.open.model, {model.graph, unscored, model.table}, circuit,
                                               first_records(config, data), spec, what, rng, progress);
  if (!e.faithfulness) return;
  (*values)["dev/faithfulness"] = e.faithfulness->value;
  (*values)["dev/completeness_gap"] = e.completeness_gap->value;
}

}  // namespace circuit
