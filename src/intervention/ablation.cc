#include "intervention/ablation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/names.h"
#include "model/rows.h"

namespace circuit {

const std::vector<NamedAblation>& ablations() {
  static const std::vector<NamedAblation> all{{"counterfactual", Ablation::kCounterfactual},
                                              {"mean", Ablation::kMean},
                                              {"mean-positional", Ablation::kMeanPositional},
                                              {"zero", Ablation::kZero}};
  return all;
}

namespace {

// op on every node's tensor.
template <typename Op>
NodeOutputs each_node(const NodeOutputs& outputs, const Op& op) {
  NodeOutputs result;
  result.input = op(outputs.input);
  for (const at::Tensor& z : outputs.z) result.z.push_back(op(z));
  for (const at::Tensor& m : outputs.mlp) result.mlp.push_back(op(m));
  return result;
}

NodeOutputs zeros(const Model& model, MlpForm form) {
  const Architecture& a = model.architecture();
  const auto options = model.embedding().options();
  const at::Tensor stream = at::zeros({1, a.d_model}, options);
  const at::Tensor heads = at::zeros({1, a.n_heads * a.d_head}, options);
  const at::Tensor mlp = form == MlpForm::kOutput ? stream : at::zeros({1, a.d_mlp}, options);
  return {stream, std::vector<at::Tensor>(a.n_layers, heads), std::vector<at::Tensor>(a.n_layers, mlp), {}, {}, {}};
}

// [tokens, d_mlp]. A backward keeps what it is computed from, in the last layer at the rows that are read.
at::Tensor channels_of(const MlpSpec& spec, const ForwardCache& run, const LayerCache& layer) {
  if (layer.mlp_hidden.defined()) return layer.mlp_hidden;
  const at::Tensor hidden = mlp_hidden(spec, layer.mlp);
  const int64_t tokens = layer.z.size(0);
  return hidden.size(0) == tokens ? hidden : put_rows(hidden, run.read_rows, tokens);
}

}  // namespace

Ablation parse_ablation(const std::string& name) { return find_named(ablations(), "ablation", name).ablation; }

const char* ablation_name(Ablation ablation) {
  for (const NamedAblation& known : ablations()) {
    if (known.ablation == ablation) return known.name.c_str();
  }
  return "";
}

MlpForm mlp_form(const Graph& graph) { return graph.mlp_blocks() > 1 ? MlpForm::kChannels : MlpForm::kOutput; }

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

NodeOutputs MeanOutputs::mean(at::ScalarType dtype) const {
  if (tokens_ == 0) fail("ablation", "mean ablation of no tokens.");
  return each_node(sums_, [&](const at::Tensor& sum) { return (sum / static_cast<double>(tokens_)).to(dtype); });
}

void check_lengths(Ablation ablation, const std::vector<const Example*>& examples) {
  if (ablation != Ablation::kMeanPositional) return;
  for (const Example* e : examples) {
    if (e->ids.size() == examples[0]->ids.size()) continue;
    fail(e->place, "{} tokens where the first record has {}: mean-positional needs equal lengths.", e->ids.size(),
         examples[0]->ids.size());
  }
}

AblatedOutputs::AblatedOutputs(const Model& model, Ablation ablation, const std::vector<const Example*>& reference,
                               int64_t batch, MlpForm form)
    : model_(model), ablation_(ablation), form_(form) {
  if (ablation == Ablation::kZero) mean_ = zeros(model, form);
  if (ablation != Ablation::kMean && ablation != Ablation::kMeanPositional) return;
  const bool positional = ablation == Ablation::kMeanPositional;
  check_lengths(ablation, reference);
  const auto total = static_cast<int64_t>(reference.size());
  const size_t length = reference.empty() ? 0 : reference[0]->ids.size();
  MeanOutputs mean;
  for (int64_t first = 0; first < total; first += batch) {
    const std::vector<const Example*> part(reference.begin() + first,
                                           reference.begin() + std::min(total, first + batch));
    const ExampleBatch b = make_example_batch(part, model.architecture(), model.device());
    const NodeOutputs outputs =
        node_outputs(model.architecture(),
                     forward(model, b.tokens, Keep::kNodeOutputs, {{}, false, form == MlpForm::kChannels}), form);
    if (!positional) {
      mean.add(outputs);
      continue;
    }
    // One row per sequence; a row's mean over sequences is the mean at each position.
    mean.add(each_node(outputs, [&](const at::Tensor& t) { return t.reshape({b.examples, -1}); }));
  }
  const int64_t rows = positional ? static_cast<int64_t>(length) : 1;
  mean_ = each_node(mean.mean(model.dtype()), [&](const at::Tensor& t) { return t.view({rows, -1}); });
}

NodeOutputs AblatedOutputs::of(const std::vector<const Example*>& examples, const ExampleBatch& batch,
                               const ReadRows& read) const {
  if (ablation_ == Ablation::kCounterfactual) {
    const ExampleBatch other =
        make_example_batch(examples, model_.architecture(), model_.device(), Side::kCounterfactual);
    ReadRows wanted = read;
    wanted.mlp_channels = form_ == MlpForm::kChannels;
    return node_outputs(model_.architecture(), forward(model_, other.tokens, Keep::kNodeOutputs, wanted), form_);
  }
  if (ablation_ != Ablation::kMeanPositional) return mean_;
  for (size_t i = 0; i < examples.size(); ++i) {
    if (batch.tokens.lengths[i] == mean_.input.size(0)) continue;
    fail(batch.places[i], "{} tokens where the means are over {}: mean-positional needs equal lengths.",
         batch.tokens.lengths[i], mean_.input.size(0));
  }
  return each_node(mean_, [&](const at::Tensor& t) { return t.index_select(0, batch.tokens.positions); });
}

}  // namespace circuit
