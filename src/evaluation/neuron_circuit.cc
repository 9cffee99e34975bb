#include "evaluation/neuron_circuit.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "core/error.h"
#include "intervention/patched_run.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

Neurons neurons_all(const Architecture& a, bool kept) {
  Neurons neurons;
  for (int64_t l = 0; l < a.n_layers; ++l) neurons.emplace_back(a.mlp_channels(l), kept);
  return neurons;
}

// A layer's channels that are kept, [channels] bool; undefined: none. The layers of which all are kept are not there.
struct LiveChannels {
  int64_t layer = 0;
  at::Tensor kept;
};

std::vector<LiveChannels> live_channels(const Neurons& neurons, at::Device device) {
  std::vector<LiveChannels> live;
  for (size_t l = 0; l < neurons.size(); ++l) {
    const std::vector<bool>& layer = neurons[l];
    const auto kept = std::count(layer.begin(), layer.end(), true);
    if (kept == static_cast<int64_t>(layer.size())) continue;
    const std::vector<uint8_t> bytes(layer.begin(), layer.end());
    const auto on_device = [&] { return at::tensor(bytes, at::kByte).to(at::kBool).to(device); };
    live.push_back({static_cast<int64_t>(l), kept == 0 ? at::Tensor() : on_device()});
  }
  return live;
}

}  // namespace

Neurons every_neuron(const Architecture& architecture) { return neurons_all(architecture, true); }
Neurons no_neuron(const Architecture& architecture) { return neurons_all(architecture, false); }

Neurons complement(const Neurons& neurons) {
  Neurons others = neurons;
  for (std::vector<bool>& layer : others) layer.flip();
  return others;
}

int64_t count(const Neurons& neurons) {
  int64_t kept = 0;
  for (const std::vector<bool>& layer : neurons) kept += std::count(layer.begin(), layer.end(), true);
  return kept;
}

std::vector<Neuron> ranked_neurons(const Architecture& architecture, const ChannelScores& scores, Ranking ranking) {
  std::vector<std::pair<float, Neuron>> all;
  for (int64_t l = 0; l < architecture.n_layers; ++l) {
    for (int64_t c = 0; c < architecture.mlp_channels(l); ++c) {
      const float score = scores.values[l * scores.channels + c];
      const float key = ranking == Ranking::kSigned ? score : std::fabs(score);
      if (key > 0) all.push_back({key, {l, c}});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Neuron> order;
  for (const auto& each : all) order.push_back(each.second);
  return order;
}

Neurons first_neurons(const Architecture& architecture, const std::vector<Neuron>& order, int64_t n) {
  Neurons neurons = no_neuron(architecture);
  const auto taken = std::min(n, static_cast<int64_t>(order.size()));
  for (int64_t i = 0; i < taken; ++i) neurons[order[i].layer][order[i].channel] = true;
  return neurons;
}

NeuronDraw::NeuronDraw(const Architecture& architecture, Rng& rng) {
  for (int64_t l = 0; l < architecture.n_layers; ++l) order_.push_back(permutation(architecture.mlp_channels(l), rng));
}

Neurons NeuronDraw::like(const Neurons& neurons) const {
  Neurons drawn;
  for (size_t l = 0; l < neurons.size(); ++l) {
    drawn.emplace_back(neurons[l].size(), false);
    const int64_t kept = std::count(neurons[l].begin(), neurons[l].end(), true);
    for (int64_t i = 0; i < kept; ++i) drawn.back()[order_[l][i]] = true;
  }
  return drawn;
}

void check_neurons(const Architecture& architecture) {
  for (int64_t l = 0; l < architecture.n_layers; ++l) {
    if (!architecture.layer(l).mlp.experts.out_bias) continue;
    fail("evaluate", "neurons of {}: its experts' outputs have biases, whose gates are channels but no neurons.",
         architecture.family);
  }
}

std::vector<CircuitOutcome> run_neurons(const Model& model, const std::vector<const Example*>& examples,
                                        const ScoreSpec& spec, const std::vector<Neurons>& sets,
                                        const ProgressCallback& progress) {
  check_neurons(model.architecture());
  const auto& reference = spec.ablation_reference == nullptr ? examples : *spec.ablation_reference;
  const auto ablated = spec.ablation->prepare(model, reference, spec.batch, MlpForm::kChannels);
  std::vector<std::vector<LiveChannels>> live;
  for (const Neurons& set : sets) live.push_back(live_channels(set, model.device()));
  struct Held {
    ForwardCache own;
    NodeOutputs others;
  };
  return judge_runs(model, examples, spec, sets.size(), progress, [&](const ScoreBatch& batch) -> BatchRuns {
    const TokenBatch& tokens = batch.clean.tokens;
    const auto held =
        std::make_shared<Held>(Held{forward(model, tokens, Keep::kStreams), ablated->of(batch.examples, batch.clean)});
    return [&model, &live, &tokens, held](size_t i) {
      std::vector<BlockPatch> patches;
      for (const LiveChannels& each : live[i]) {
        patches.push_back({{BlockKind::kMlp, each.layer}, each.kept, held->others.mlp[each.layer], {}});
      }
      return run_patched(model, tokens, held->own, patches);
    };
  });
}

}  // namespace circuit
