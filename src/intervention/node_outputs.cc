#include "intervention/node_outputs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>

#include "core/error.h"
#include "model/rows.h"

namespace circuit {
namespace {

// [tokens, d_mlp]. A backward keeps what it is computed from, in the last layer at the rows that are read.
at::Tensor channels_of(const MlpSpec& spec, const ForwardCache& run, const LayerCache& layer) {
  if (layer.mlp_hidden.defined()) return layer.mlp_hidden;
  const at::Tensor hidden = mlp_hidden(spec, layer.mlp);
  const int64_t tokens = layer.z.size(0);
  return hidden.size(0) == tokens ? hidden : put_rows(hidden, run.read_rows, tokens);
}

}  // namespace

NodeOutputs each_node(const NodeOutputs& outputs, const std::function<at::Tensor(const at::Tensor&)>& op) {
  NodeOutputs result;
  result.input = op(outputs.input);
  for (const at::Tensor& z : outputs.z) result.z.push_back(op(z));
  for (const at::Tensor& m : outputs.mlp) result.mlp.push_back(op(m));
  return result;
}

MlpForm mlp_form(const Graph& graph) { return graph.splits_mlps() ? MlpForm::kChannels : MlpForm::kOutput; }

NodeOutputs node_outputs(const Architecture& architecture, const ForwardCache& run, MlpForm form) {
  NodeOutputs outputs;
  outputs.input = run.embedding;
  outputs.last_stream = run.x_final;
  for (int64_t l = 0; l < architecture.n_layers; ++l) {
    const LayerCache& layer = run.layers[l];
    outputs.z.push_back(layer.z);
    outputs.mlp.push_back(form == MlpForm::kOutput ? layer.mlp_out
                                                   : channels_of(architecture.layer(l).mlp, run, layer));
    const int64_t tokens = layer.z.size(0);
    const auto scale = [&](const NormStats& stats) {
      const bool everywhere = !stats.rstd.defined() || stats.rstd.size(0) == tokens;
      return everywhere ? stats.rstd : put_rows(stats.rstd, run.read_rows, tokens);
    };
    outputs.attn_scale.push_back(scale(layer.attn_post_stats));
    outputs.mlp_scale.push_back(scale(layer.mlp_post_stats));
  }
  return outputs;
}

void release_node_outputs(ForwardCache* run) {
  for (LayerCache& layer : run->layers) {
    layer.z = at::Tensor();
    layer.mlp_hidden = at::Tensor();
    // A post-norm's backward needs what it normed.
    if (!layer.mlp_post_stats.rstd.defined()) layer.mlp_out = at::Tensor();
  }
}

NodeOutputs difference(NodeOutputs a, NodeOutputs b) {
  NodeOutputs d;
  d.attn_scale = a.attn_scale;
  d.mlp_scale = a.mlp_scale;
  d.input = a.input - b.input;
  for (size_t l = 0; l < a.z.size(); ++l) {
    d.z.push_back(a.z[l] - b.z[l]);
    d.mlp.push_back(a.mlp[l] - b.mlp[l]);
    a.z[l] = b.z[l] = a.mlp[l] = b.mlp[l] = at::Tensor();
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

std::vector<at::Tensor> MeanOutputs::take() {
  std::vector<at::Tensor> all{at::scalar_tensor(tokens_, at::kLong), sums_.input};
  all.insert(all.end(), sums_.z.begin(), sums_.z.end());
  all.insert(all.end(), sums_.mlp.begin(), sums_.mlp.end());
  tokens_ = 0;
  sums_ = NodeOutputs();
  return all;
}

void MeanOutputs::give(std::vector<at::Tensor> sums) {
  tokens_ = sums[0].item<int64_t>();
  sums_ = NodeOutputs();
  sums_.input = sums[1];
  const auto layers = static_cast<int64_t>(sums.size() - 2) / 2;
  sums_.z.assign(sums.begin() + 2, sums.begin() + 2 + layers);
  sums_.mlp.assign(sums.begin() + 2 + layers, sums.end());
}

NodeOutputs MeanOutputs::mean(at::ScalarType dtype) const {
  if (tokens_ == 0) fail("ablation", "mean ablation of no tokens.");
  return each_node(sums_, [&](const at::Tensor& sum) { return (sum / static_cast<double>(tokens_)).to(dtype); });
}

}  // namespace circuit
