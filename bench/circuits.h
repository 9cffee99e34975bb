// Circuits of the benchmarks: the strongest edges by |eap score|, pruned as the program does.
#pragma once

#include "scoring/scorer.h"

namespace circuit::bench {

constexpr int64_t kCircuitEdges = 2000;

// One of kCircuitEdges, and one of each size of MIB's curve.
Circuit one_circuit(const Model& model, const Graph& graph, const EdgeScores& scores);
std::vector<Circuit> ten_circuits(const Model& model, const Graph& graph, const EdgeScores& scores);

// What a circuit replaces nodes with on a batch: its counterfactuals' node outputs, one forward.
NodeOutputs counterfactual_outputs(const Model& model, const Graph& graph, const std::vector<Example>& examples);

// Runs it on one batch: the ablated streams of that batch, then the circuit.
void run_circuit(const Model& model, const Graph& graph, const std::vector<Example>& examples,
                 const NodeOutputs& ablated, const Circuit& circuit);

}  // namespace circuit::bench
