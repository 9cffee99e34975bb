#include "intervention/ablation.h"

#include <ATen/TensorOperators.h>

#include "core/error.h"

namespace circuit {

Ablation parse_ablation(const std::string& name) {
  if (name == "counterfactual") return Ablation::kCounterfactual;
  if (name == "mean") return Ablation::kMean;
  if (name == "zero") return Ablation::kZero;
  throw UsageError(fmt::format("[ablation] '{}' is not known. Known: counterfactual, mean, zero.", name));
}

const char* ablation_name(Ablation ablation) {
  switch (ablation) {
    case Ablation::kCounterfactual:
      return "counterfactual";
    case Ablation::kMean:
      return "mean";
    case Ablation::kZero:
      return "zero";
  }
  return "";
}

NodeOutputs node_outputs(const ForwardCache& run) {
  NodeOutputs outputs;
  outputs.input = run.embedding;
  for (const LayerCache& layer : run.layers) {
    outputs.z.push_back(layer.z);
    outputs.mlp.push_back(layer.mlp_out);
  }
  return outputs;
}

NodeOutputs difference(const NodeOutputs& a, const NodeOutputs& b) {
  NodeOutputs d;
  d.input = a.input - b.input;
  for (size_t l = 0; l < a.z.size(); ++l) {
    d.z.push_back(a.z[l] - b.z[l]);
    d.mlp.push_back(a.mlp[l] - b.mlp[l]);
  }
  return d;
}

void MeanOutputs::add(const NodeOutputs& outputs) {
  const auto sum = [](const at::Tensor& rows) { return rows.sum(0, false, at::kDouble); };
  if (tokens_ == 0) {
    sums_.input = sum(outputs.input);
    for (size_t l = 0; l < outputs.z.size(); ++l) {
      sums_.z.push_back(sum(outputs.z[l]));
      sums_.mlp.push_back(sum(outputs.mlp[l]));
    }
  } else {
    sums_.input.add_(sum(outputs.input));
    for (size_t l = 0; l < outputs.z.size(); ++l) {
      sums_.z[l].add_(sum(outputs.z[l]));
      sums_.mlp[l].add_(sum(outputs.mlp[l]));
    }
  }
  tokens_ += outputs.input.size(0);
}

NodeOutputs MeanOutputs::mean(at::ScalarType dtype) const {
  if (tokens_ == 0) fail("ablation", "mean ablation of no tokens.");
  const auto scaled = [&](const at::Tensor& sum) { return (sum / static_cast<double>(tokens_)).to(dtype); };
  NodeOutputs m;
  m.input = scaled(sums_.input);
  for (size_t l = 0; l < sums_.z.size(); ++l) {
    m.z.push_back(scaled(sums_.z[l]));
    m.mlp.push_back(scaled(sums_.mlp[l]));
  }
  return m;
}

}  // namespace circuit
