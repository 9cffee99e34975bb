// Circuits of growing size from one set of scores, and the areas under what they do: CPR and CMD
// (MIB, arXiv 2504.13151; method.md §6).
#pragma once

#include <vector>

#include "evaluation/bootstrap.h"
#include "evaluation/circuits.h"
#include "selection/selector.h"

namespace circuit {

// MIB's sizes: shares of the graph's edges.
const std::vector<double>& curve_shares();

// Over curve_shares() as x, trapezoid on linear k.
double area(const std::vector<double>& heights);

enum class Ranking { kSigned, kMagnitude };  // by S, positive ones only; by |S|
enum class Pruning { kPrune, kKeep };        // drop edges on no path from input to logits, or keep the set as given

Circuit as_run(const Graph& graph, const Circuit& circuit, Pruning pruning);

// Every edge of the graph.
Circuit whole(const Graph& graph);
// Every edge that is not in it.
Circuit complement(const Graph& graph, const Circuit& circuit);

struct SizedCircuit {
  double share = 0;      // of the graph's edges
  Circuit nominal, run;  // as selected, and as run
};

// One for each of curve_shares(), ⌊share · E⌋ edges. The last is the whole graph, whether its edges have a
// score or not.
std::vector<SizedCircuit> curve_circuits(const SelectionInput& input, Ranking ranking, Pruning pruning);

struct CurvePoint {
  double share = 0;
  int64_t edges = 0, edges_run = 0;
  Estimate faithfulness;
};

// outcomes: of each circuit's run. Defined only where faithfulness is.
std::vector<CurvePoint> curve_points(const std::vector<SizedCircuit>& circuits,
                                     const std::vector<CircuitOutcome>& outcomes, const CircuitOutcome& full,
                                     const CircuitOutcome& empty, Rng& rng);

// CPR = ∫ f dk, CMD = ∫ |1 − f| dk; outcomes: one for each of curve_shares().
Estimate cpr(const std::vector<CircuitOutcome>& outcomes, const CircuitOutcome& full, const CircuitOutcome& empty,
             Rng& rng);
Estimate cmd(const std::vector<CircuitOutcome>& outcomes, const CircuitOutcome& full, const CircuitOutcome& empty,
             Rng& rng);

}  // namespace circuit
