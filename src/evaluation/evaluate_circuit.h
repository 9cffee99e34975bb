// All that `circuit evaluate` says of one circuit, as values.
#pragma once

#include <optional>
#include <vector>

#include "core/settings.h"
#include "evaluation/baselines.h"
#include "evaluation/curve.h"
#include "evaluation/faithfulness.h"
#include "evaluation/minimality.h"
#include "scoring/scorer.h"

namespace circuit {

struct EvaluationSpec {
  Pruning pruning = Pruning::kPrune;  // of every circuit that is run, the complement and the curve's too
  bool curve = true;                  // circuits of MIB's sizes from the same scores
  int64_t redundancy = 200;           // edges taken out one by one, at most; 0: none
  bool baselines = false;             // of a circuit of which an edge is run: others of its size (baselines.h)
  int64_t draws = 5;                  // random ones among those

  // Of these the last three; how the others are called is the caller's matter.
  void declare(Settings* settings);
};

// Means over examples. NaN where the records do not say: accuracy without answers, kl without readouts.
struct RunMeans {
  Estimate metric, accuracy, kl;  // metric units; share of readouts; nats
};

RunMeans means_of(const CircuitOutcome& outcome, Rng& rng);

struct FaithfulnessCurve {
  Estimate cpr, cmd;
  std::vector<CurvePoint> by_score, by_magnitude;  // Ranking::kSigned, Ranking::kMagnitude
};

struct CircuitEvaluation {
  int64_t examples = 0;
  int64_t graph_edges = 0, edges = 0, edges_run = 0;  // of the graph; of the circuit as given, as run
  RunMeans full, empty, circuit;
  MetricRange range;  // m(full) − m(∅); what follows is set only where it is_defined()
  std::optional<Estimate> faithfulness, completeness_gap;
  std::optional<Minimality> minimality;  // none where no edge was taken out
  std::optional<FaithfulnessCurve> curve;
  std::vector<Baseline> baselines;  // empty: not asked for
};

// Of one circuit, from runs of the whole model, of no edges and of it alone: all that needs no other circuit.
CircuitEvaluation judge_circuit(const Graph& graph, const Circuit& circuit, const Circuit& run,
                                const CircuitOutcome& full, const CircuitOutcome& empty, const CircuitOutcome& alone,
                                Rng& rng);

// One pass over the examples. Of `spec` what run_circuits takes. Throws as run_circuits does.
CircuitEvaluation evaluate_circuit(const Model& model, const SelectionInput& input, const Circuit& circuit,
                                   const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                   const EvaluationSpec& evaluation, Rng& rng, const ProgressCallback& progress);

}  // namespace circuit
