// Which linear layers adapters stand beside, what of them a circuit reaches, and which rank each has.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "tuning/lora_store.h"

namespace circuit {
namespace {

constexpr const char* kSuffix = ".weight";

std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

}  // namespace

int64_t LoraSpec::rank_of(const std::string& tensor) const {
  const auto own = ranks.find(tensor);
  return own == ranks.end() ? rank : own->second;
}

std::map<std::string, int64_t> ranks_by_weight(const std::map<std::string, RankedLayer>& layers, int64_t rank) {
  int64_t wanted = 0;
  double heaviest = 0;
  for (const auto& [tensor, layer] : layers) {
    wanted += rank * layer.per_rank;
    heaviest = std::max(heaviest, layer.weight);
  }
  const auto ranks_at = [&](double factor) {
    std::map<std::string, int64_t> ranks;
    for (const auto& [tensor, layer] : layers) {
      const double share = std::min(factor * layer.weight, static_cast<double>(layer.most));
      ranks[tensor] = std::max<int64_t>(1, std::llround(share));
    }
    return ranks;
  };
  const auto parameters = [&](const std::map<std::string, int64_t>& ranks) {
    int64_t sum = 0;
    for (const auto& [tensor, own] : ranks) sum += own * layers.at(tensor).per_rank;
    return sum;
  };
  if (heaviest == 0) return ranks_at(0);
  // The most that has no more parameters; the heaviest alone cannot pass its own bound.
  constexpr int kHalvings = 60;
  double low = 0, high = 1e6 / heaviest;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (parameters(ranks_at(middle)) <= wanted ? low : high) = middle;
  }
  return ranks_at(low);
}

std::vector<LinearLayer> linear_layers(const Model& model, const std::vector<std::string>& targets) {
  const bool all = targets.size() == 1 && targets[0] == "all-linear";
  std::vector<LinearLayer> layers;
  std::set<std::string> seen;
  std::set<std::string> modules;
  for (const LayerLayout& l : model.layout().layers) {
    for (const TensorRef* ref : {&l.q_down, &l.w_q, &l.kv_down, &l.w_k, &l.w_v, &l.w_o, &l.w_gate, &l.w_in, &l.w_out}) {
      if (!ref->present() || !seen.insert(ref->tensor).second) continue;
      const std::string module = ref->tensor.substr(0, ref->tensor.size() - std::string(kSuffix).size());
      modules.insert(last_part(module));
      const at::Tensor& w = model.parameter(ref->tensor);
      const int64_t inputs = w.size(ref->transposed ? 1 : 0);
      const int64_t outputs = w.size(ref->transposed ? 0 : 1);
      if (all || std::count(targets.begin(), targets.end(), last_part(module)) > 0) {
        layers.push_back({ref->tensor, module, inputs, outputs, ref->transposed});
      }
    }
  }
  for (const std::string& target : targets) {
    if (all || modules.count(target) > 0) continue;
    throw UsageError(fmt::format("[lora.targets] '{}' is no linear layer of this model. It has: {}; or all-linear.",
                                 target, fmt::join(modules, ", ")));
  }
  return layers;
}

AdapterReaches reach_of(const Model& model, const std::vector<Slice>& slices) {
  AdapterReaches reaches;
  for (const LinearLayer& layer : linear_layers(model, {"all-linear"})) {
    for (const Slice& s : slices) {
      if (s.tensor != layer.tensor) continue;
      AdapterReach& reach = reaches[layer.tensor];
      const bool outputs = (s.dim == 0) == layer.transposed;
      // A tensor whose units lie on both sides has one that divides it; the other is whole.
      std::vector<bool>& side = outputs ? reach.outputs : reach.inputs;
      if (side.empty()) side.assign(outputs ? layer.outputs : layer.inputs, false);
      std::fill(side.begin() + s.start, side.begin() + s.start + s.length, true);
    }
  }
  return reaches;
}

}  // namespace circuit
