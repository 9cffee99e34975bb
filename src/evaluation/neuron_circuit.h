// Circuits of MLP channels ("neurons"): the model run with the values of some of them alone, those of all others
// replaced, and everything else as it is (method.md, "Running neurons"). A channel's value is what W_out multiplies, h;
// of experts with their gate.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "evaluation/circuits.h"
#include "evaluation/curve.h"
#include "scoring/channels.h"

namespace circuit {

// By layer and channel, true: kept.
using Neurons = std::vector<std::vector<bool>>;

Neurons every_neuron(const Architecture& architecture);
Neurons no_neuron(const Architecture& architecture);
Neurons complement(const Neurons& neurons);
int64_t count(const Neurons& neurons);

struct Neuron {
  int64_t layer = 0, channel = 0;
};

// Those with a score that is not 0 (kSigned: above 0), the largest (kMagnitude: by size) first, ties by layer and
// channel. scores: of this architecture.
std::vector<Neuron> ranked_neurons(const Architecture& architecture, const ChannelScores& scores, Ranking ranking);
// The first n of them, fewer where there are not so many.
Neurons first_neurons(const Architecture& architecture, const std::vector<Neuron>& order, int64_t n);

// One draw of a control: as many neurons of every layer as a set has. Of two sets one of which holds the other, so does
// what is drawn.
class NeuronDraw {
 public:
  NeuronDraw(const Architecture& architecture, Rng& rng);
  Neurons like(const Neurons& neurons) const;

 private:
  std::vector<std::vector<int64_t>> order_;  // by layer, its channels
};

// Throws Error naming the family: experts whose outputs have biases (their gates are channels too, and no neurons).
void check_neurons(const Architecture& architecture);

// Runs every set on every example, in one pass over the data. Of `spec` metric, ablation, its reference and batch
// count. Throws as check_neurons does.
std::vector<CircuitOutcome> run_neurons(const Model& model, const std::vector<const Example*>& examples,
                                        const ScoreSpec& spec, const std::vector<Neurons>& sets,
                                        const ProgressCallback& progress);

}  // namespace circuit
