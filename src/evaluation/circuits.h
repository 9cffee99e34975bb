// How good a circuit is (method.md §6): the model run with its edges alone.
#pragma once

#include <vector>

#include "evaluation/bootstrap.h"
#include "graph/graph.h"
#include "scoring/scorer.h"

namespace circuit {

// Per example, in order.
struct CircuitOutcome {
  std::vector<double> metric;    // M_i
  std::vector<double> accuracy;  // share of its readouts with logit difference > 0; NaN without such readouts
  std::vector<double> kl;        // mean over its readouts of KL(full ‖ run), nats; NaN without readouts
};

// Runs every circuit on every example: one pass over the data, the ablated values worked out once. Of `spec`
// metric, ablation, its reference and batch count. Nothing is pruned here.
std::vector<CircuitOutcome> run_circuits(const Model& model, const Graph& graph,
                                         const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                         const std::vector<Circuit>& circuits, const ProgressCallback& progress);

// f(C) = (m(C) − m(∅)) / (m(full) − m(∅)), with its interval over examples.
struct Faithfulness {
  double value = 0;
  Interval interval;
};
Faithfulness faithfulness(const CircuitOutcome& circuit, const CircuitOutcome& full, const CircuitOutcome& empty,
                          Rng& rng);

// MIB's sizes: shares of the graph's edges.
const std::vector<double>& curve_shares();

// Over curve_shares() as x, trapezoid: CPR = ∫ f dk, CMD = ∫ |1 − f| dk.
double area(const std::vector<double>& heights);

// Edges marked by a reference against scores: precision and recall of `found`, and the chance that a marked
// edge outranks an unmarked one by |score| (ties count half).
struct Recovery {
  double precision = 0, recall = 0, auroc = 0;
};
Recovery recovery(const Circuit& found, const EdgeScores& scores, const Circuit& reference);

}  // namespace circuit
