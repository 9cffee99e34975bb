#include "scoring/folded_weights.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "model/norm.h"

namespace circuit {
namespace {

// w [d_model, readers, width], b [readers, width] or undefined.
FoldedReaders fold(at::ScalarType type, const at::Tensor& w, const at::Tensor& b, const NormWeights& norm) {
  FoldedReaders f;
  const auto options = w.options().dtype(type);
  f.weight = at::empty({w.size(1), w.size(2), w.size(0)}, options);
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
    work(0, w.size(1));
  }
  if (!norm.bias.defined() && !b.defined()) return f;
  f.constant = norm.bias.defined()
                   ? at::mv(w.flatten(1).t().to(type), norm_shift(norm).to(type)).view({w.size(1), w.size(2)})
                   : at::zeros({w.size(1), w.size(2)}, options);
  if (b.defined()) f.constant.add_(b);
  return f;
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
    return fold(contraction_type(model), at::stack(weights, 1), biases.empty() ? at::Tensor() : at::stack(biases),
                w.mlp_norm);
  };
  FoldedReaders in = folded(&ExpertWeights::w_in, &ExpertWeights::b_in);
  if (!w.experts[0].w_gate.defined()) return in;
  return joined(in, folded(&ExpertWeights::w_gate, &ExpertWeights::b_gate));
}

FoldedReaders fold_blocks(const Model& model, const Graph& graph, const LayerWeights& w, int64_t layer) {
  if (!w.experts.empty()) return fold_experts(model, w);
  const std::vector<int64_t> split{graph.mlp_blocks(layer), graph.mlp_block(layer)};
  const auto blocks = [&](const at::Tensor& weight, const at::Tensor& bias) {
    const at::Tensor b = bias.defined() ? bias.view(split) : bias;
    return fold(contraction_type(model), weight.unflatten(1, split), b, w.mlp_norm);
  };
  const FoldedReaders in = blocks(w.w_in, w.b_in);
  return w.w_gate.defined() ? joined(in, blocks(w.w_gate, w.b_gate)) : in;
}

void fold_attention(const Model& model, const Graph& graph, const LayerWeights& w, FoldedLayer* f) {
  const at::ScalarType type = contraction_type(model);
  const auto heads = [&](const at::Tensor& weight, const at::Tensor& bias) {
    return fold(type, by_heads(weight), biases_by_heads(bias), w.attn_norm);
  };
  const int64_t per_kv = graph.ungrouped() ? graph.n_heads() / graph.n_kv_heads() : 1;
  if (!w.latent.defined()) {
    f->q = heads(w.w_q, w.b_q);
    f->k = repeated(heads(w.w_k, w.b_k), per_kv);
    f->v = repeated(heads(w.w_v, w.b_v), per_kv);
    return;
  }
  const auto shared = [&](const at::Tensor& weight, const at::Tensor& bias) {
    FoldedReaders one = heads(weight.unsqueeze(1), bias.defined() ? bias.unsqueeze(0) : bias);
    one.weight = one.weight.expand({graph.n_heads(), -1, -1});
    if (one.constant.defined()) one.constant = one.constant.expand({graph.n_heads(), -1});
    return one;
  };
  const LatentWeights& l = w.latent;
  f->q = l.q_down.defined() ? shared(l.q_down, l.b_q_down) : heads(w.w_q, {});
  f->k = shared(l.kv_down, l.b_kv_down);
  f->v = f->k;
  f->v.weight = f->k.weight.narrow(1, 0, w.w_v.size(0));
  if (f->k.constant.defined()) f->v.constant = f->k.constant.narrow(1, 0, w.w_v.size(0));
}

}  // namespace

at::ScalarType contraction_type(const Model& model) { return model.dtype() == at::kDouble ? at::kDouble : at::kFloat; }

std::vector<FoldedLayer> fold_weights(const Model& model, const Graph& graph) {
  std::vector<FoldedLayer> layers;
  for (const LayerWeights& w : model.layers()) {
    FoldedLayer f;
    fold_attention(model, graph, w, &f);
    if (graph.splits_mlps()) f.mlp = fold_blocks(model, graph, w, static_cast<int64_t>(layers.size()));
    layers.push_back(std::move(f));
  }
  return layers;
}

}  // namespace circuit
