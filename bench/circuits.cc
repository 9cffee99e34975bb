#include "circuits.h"

#include "evaluation/curve.h"
#include "graph/slices.h"
#include "intervention/circuit_run.h"
#include "shapes.h"
#include "work.h"

namespace circuit::bench {

Circuit one_circuit(const Model& model, const Graph& graph, const EdgeScores& scores) {
  const SliceTable slices(graph, model);
  SelectionSpec spec;
  spec.n = kCircuitEdges;
  Rng unused(0);
  return as_run(graph, top_edges_selector().select({graph, scores, slices}, spec, unused), Pruning::kPrune);
}

std::vector<Circuit> ten_circuits(const Model& model, const Graph& graph, const EdgeScores& scores) {
  const SliceTable slices(graph, model);
  std::vector<Circuit> circuits;
  for (const SizedCircuit& sized : curve_circuits({graph, scores, slices}, Ranking::kMagnitude, Pruning::kPrune)) {
    circuits.push_back(sized.run);
  }
  return circuits;
}

NodeOutputs counterfactual_outputs(const Model& model, const Graph& graph, const std::vector<Example>& examples) {
  const std::vector<const Example*> all = pointers(examples);
  const ExampleBatch batch = make_example_batch(all, model.architecture(), model.device());
  return ablated_outputs(model, graph, all, score_spec(examples))->of(all, batch);
}

void run_circuit(const Model& model, const Graph& graph, const std::vector<Example>& examples,
                 const NodeOutputs& ablated, const Circuit& circuit) {
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), model.device());
  std::vector<bool> edges(graph.n_edges(), false);
  for (const int64_t id : circuit.edges) edges[id] = true;
  CircuitRunner(model, graph, batch.tokens, ablated).run(edges);
}

}  // namespace circuit::bench
