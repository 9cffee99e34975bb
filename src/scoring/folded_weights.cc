#include "scoring/folded_weights.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "model/norm.h"

namespace circuit {
namespace {

// w [d_model, readers, width], b [readers, width] or undefined.
at::Tensor constant_of(at::ScalarType type, const at::Tensor& w, const at::Tensor& b, const NormWeights& norm) {
  if (!norm.bias.defined() && !b.defined()) return {};
  at::Tensor constant = norm.bias.defined()
                            ? at::mv(w.flatten(1).t().to(type), norm_shift(norm).to(type)).view({w.size(1), w.size(2)})
                            : at::zeros({w.size(1), w.size(2)}, w.options().dtype(type));
  return b.defined() ? constant.add_(b) : constant;
}

// The same without a copy of w.
FoldedReaders beside(at::ScalarType type, const at::Tensor& w, const at::Tensor& b, const NormWeights& norm) {
  return {w.permute({1, 2, 0}), constant_of(type, w, b, norm), norm_scale(norm)};
}

FoldedReaders repeated(FoldedReaders f, int64_t times) {
  if (times == 1) return f;
  f.weight = f.weight.repeat_interleave(times, 0);
  if (f.constant.defined()) f.constant = f.constant.repeat_interleave(times, 0);
  return f;
}

// Both of two kinds as one of the summed width.
FoldedReaders joined(const FoldedReaders& a, const FoldedReaders& b) {
  FoldedReaders f;
  f.weight = at::cat({a.weight, b.weight}, 1);
  if (a.constant.defined()) f.constant = at::cat({a.constant, b.constant}, 1);
  return f;
}

// Experts' inputs as those of blocks; the channel that an output's bias is reads nothing.
FoldedReaders fold_experts(const Model& model, const LayerWeights& w) {
  const auto folded = [&](at::Tensor ExpertWeights::*weight, at::Tensor ExpertWeights::*bias) {
    std::vector<at::Tensor> weights;
    std::vector<at::Tensor> biases;
    for (const ExpertWeights& expert : w.experts) {
      const int64_t silent = expert.b_out.defined() ? 1 : 0;
      weights.push_back(at::constant_pad_nd(expert.*weight, {0, silent}));
      if ((expert.*bias).defined()) biases.push_back(at::constant_pad_nd(expert.*bias, {0, silent}));
    }
    return fold_readers(contraction_type(model), at::stack(weights, 1),
                        biases.empty() ? at::Tensor() : at::stack(biases), w.mlp_norm);
  };
  FoldedReaders in = folded(&ExpertWeights::w_in, &ExpertWeights::b_in);
  if (!w.experts[0].w_gate.defined()) return in;
  return joined(in, folded(&ExpertWeights::w_gate, &ExpertWeights::b_gate));
}

}  // namespace

FoldedReaders fold_readers(at::ScalarType type, const at::Tensor& w, const at::Tensor& b, const NormWeights& norm) {
  FoldedReaders f;
  f.weight = at::empty({w.size(1), w.size(2), w.size(0)}, w.options().dtype(type));
  const at::Tensor gamma = norm_scale(norm);
  // Reader by reader, so that each stays in the cache while it is worked on.
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const at::Tensor reader = f.weight[i];
      reader.copy_(w.select(1, i).t()).mul_(gamma);
      if (norm.spec.kind == NormKind::kLayerNorm) reader.sub_(reader.mean(1, true));
    }
  };
  if (w.is_cpu()) {
    at::parallel_for(0, w.size(1), 1, work);
  } else {
    f.weight.copy_(w.permute({1, 2, 0})).mul_(gamma);
    if (norm.spec.kind == NormKind::kLayerNorm) f.weight.sub_(f.weight.mean(2, true));
  }
  f.constant = constant_of(type, w, b, norm);
  return f;
}

at::ScalarType contraction_type(const Model& model) { return model.dtype() == at::kDouble ? at::kDouble : at::kFloat; }

bool copies_projections(const Model& model, const Graph& graph) {
  if (model.dtype() != contraction_type(model)) return true;
  if (graph.ungrouped() && model.architecture().heads_per_kv() > 1) return true;
  const auto takes_mean = [](const LayerWeights& w) {
    // Heads in groups are copied in any case; those that read latents share one copy.
    return w.attn_norm.spec.kind == NormKind::kLayerNorm || w.w_q.dim() == 4 || w.latent.defined();
  };
  return std::any_of(model.layers().begin(), model.layers().end(), takes_mean);
}

FoldedLayer fold_attention(const Model& model, const Graph& graph, int64_t layer) {
  const LayerWeights& w = model.layers()[layer];
  FoldedLayer f;
  const at::ScalarType type = contraction_type(model);
  const auto projections = copies_projections(model, graph) ? fold_readers : beside;
  const auto heads = [&](const at::Tensor& weight, const at::Tensor& bias) {
    return projections(type, by_heads(weight), biases_by_heads(bias), w.attn_norm);
  };
  const int64_t per_kv = graph.ungrouped() ? graph.n_heads() / graph.n_kv_heads() : 1;
  if (!w.latent.defined()) {
    f.q = heads(w.w_q, w.b_q);
    f.k = repeated(heads(w.w_k, w.b_k), per_kv);
    f.v = repeated(heads(w.w_v, w.b_v), per_kv);
    return f;
  }
  const auto shared = [&](const at::Tensor& weight, const at::Tensor& bias) {
    FoldedReaders one = heads(weight.unsqueeze(1), bias.defined() ? bias.unsqueeze(0) : bias);
    one.weight = one.weight.expand({graph.n_heads(), -1, -1});
    if (one.constant.defined()) one.constant = one.constant.expand({graph.n_heads(), -1});
    return one;
  };
  const LatentWeights& l = w.latent;
  f.q = l.q_down.defined() ? shared(l.q_down, l.b_q_down) : heads(w.w_q, {});
  f.k = shared(l.kv_down, l.b_kv_down);
  f.v = f.k;
  f.v.weight = f.k.weight.narrow(1, 0, w.w_v.size(0));
  if (f.k.constant.defined()) f.v.constant = f.k.constant.narrow(1, 0, w.w_v.size(0));
  return f;
}

FoldedReaders fold_mlp(const Model& model, const Graph& graph, int64_t layer) {
  const LayerWeights& w = model.layers()[layer];
  if (!w.experts.empty()) return fold_experts(model, w);
  const std::vector<int64_t> split{graph.mlp_blocks(layer), graph.mlp_block(layer)};
  const auto blocks = [&](const at::Tensor& weight, const at::Tensor& bias) {
    const at::Tensor b = bias.defined() ? bias.view(split) : bias;
    return fold_readers(contraction_type(model), weight.unflatten(1, split), b, w.mlp_norm);
  };
  const FoldedReaders in = blocks(w.w_in, w.b_in);
  return w.w_gate.defined() ? joined(in, blocks(w.w_gate, w.b_gate)) : in;
}

std::vector<FoldedLayer> fold_weights(const Model& model, const Graph& graph) {
  std::vector<FoldedLayer> layers;
  for (int64_t l = 0; l < graph.n_layers(); ++l) {
    FoldedLayer f = fold_attention(model, graph, l);
    if (graph.splits_mlps()) f.mlp = fold_mlp(model, graph, l);
    layers.push_back(std::move(f));
  }
  return layers;
}

}  // namespace circuit
