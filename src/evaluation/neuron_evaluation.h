// All that `circuit evaluate --neurons` says of a set of neurons, as values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/settings.h"
#include "evaluation/evaluate_circuit.h"
#include "evaluation/evaluate_file.h"
#include "evaluation/neuron_circuit.h"

namespace circuit {

struct NeuronSpec {
  std::string file;  // scores as discover writes them; *.json: a list of neurons, {"neurons": [[layer, channel], …]}
  int64_t top = 0;   // of scores: the neurons of largest |score| that are kept
  int64_t draws = 10;  // random sets of as many neurons of every layer, to hold it against; 0: none

  void declare(Settings* settings);
};

struct NeuronPoint {
  double share = 0;  // of all neurons, as asked for
  int64_t neurons = 0;
  Estimate faithfulness;
};

// Of random sets: what they do on average, and the least and the most that one of them did.
struct NeuronControl {
  int64_t draws = 0;
  Estimate faithfulness;
  double lowest = 0, highest = 0;
  Estimate above;  // the set's faithfulness minus that average
};

struct NeuronCurve {
  Estimate cpr, cmd;                                // as those of edges, over shares of neurons
  std::vector<NeuronPoint> by_score, by_magnitude;  // Ranking::kSigned, Ranking::kMagnitude
  std::vector<NeuronPoint> random;                  // as by_magnitude, drawn; empty without draws
};

struct NeuronEvaluation {
  int64_t examples = 0;
  int64_t all = 0;                // neurons of the model
  std::vector<int64_t> by_layer;  // kept
  RunMeans full, empty, circuit;  // empty: all neurons replaced
  MetricRange range;              // m(full) − m(empty); what follows is set only where it is_defined()
  std::optional<Estimate> faithfulness, completeness_gap;  // the set; all others
  std::optional<NeuronControl> random;
  std::optional<NeuronCurve> curve;
};

// scores: null: there is no curve. One pass over the examples. Throws as run_neurons does.
NeuronEvaluation evaluate_neurons(const Model& model, const Neurons& kept, const ChannelScores* scores, int64_t draws,
                                  const std::vector<const Example*>& examples, const ScoreSpec& spec, Rng& rng,
                                  const ProgressCallback& progress);

// On a model and records as evaluate_file has them; of the request's `what` the curve counts alone. Throws Error naming
// the file whose tensor or neuron the model does not have, UsageError: scores without `top`, a list with it.
CIRCUIT_API NeuronEvaluation evaluate_neurons(const EvaluateRequest& request, const NeuronSpec& neurons);

// metric, ablation: their names.
Json neurons_json(const NeuronEvaluation& evaluation, const std::string& metric, const std::string& ablation);
// Of that JSON.
std::string neurons_text(const Json& json);

}  // namespace circuit
