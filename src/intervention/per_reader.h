// For tests: the definition of a graph's run, one reader, one node, one sequence at a time. Every reader's stream
// is a sum over nodes, so that an edge can be cut or moved alone. Slow, and shares little with the real thing.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "intervention/ablation.h"
#include "model/forward.h"

namespace circuit {

class PerReaderModel {
 public:
  // edges: one flag each. An edge that is not there carries the ablated output.
  PerReaderModel(const Model& model, const Graph& graph, const NodeOutputs& ablated, const std::vector<bool>& edges)
      : model_(model), graph_(graph), ablated_(ablated), edges_(edges) {}

  // Added to the stream that reader v reads.
  std::function<at::Tensor(int64_t v, const at::Tensor& stream)> on_read = [](int64_t, const at::Tensor& x) {
    return x;
  };
  // In place of upstream node u's output.
  std::function<at::Tensor(int64_t u, const at::Tensor& output)> on_write = [](int64_t, const at::Tensor& a) {
    return a;
  };
  // Coefficients of the nonlinear parts, by name. kRecord: kept from this run; kFrozen: taken from them, which
  // makes the model linear (arXiv 2508.21258). kInteraction: the model whose gradient at the recorded run has
  // interaction modifications (arXiv 2505.17630): norms frozen, queries, keys, values and soft-max as head() has them.
  enum class Coefficients { kLive, kRecord, kFrozen, kInteraction } mode = Coefficients::kLive;
  std::map<std::string, at::Tensor> coefficients;

  // The stream that `logits` reads.
  at::Tensor run(const TokenBatch& batch) {
    const Architecture& a = model_.architecture();
    at::Tensor constant = at::zeros({batch.tokens(), a.d_model}, model_.embedding().options());
    if (a.embedding.learned_positions) constant = constant + at::embedding(model_.positions(), batch.positions);
    outputs_ = {on_write(0, token_embedding(model_, batch))};
    for (int64_t l = 0; l < a.n_layers; ++l) {
      const LayerWeights& w = model_.layers()[l];
      const at::Tensor after_attention = w.b_o.defined() && !model_.norms_outputs() ? constant + w.b_o : constant;
      std::vector<at::Tensor> layer;
      for (int64_t h = 0; h < a.n_heads; ++h) layer.push_back(on_write(graph_.head(l, h), head(batch, l, h, constant)));
      const bool parallel = a.layer(l).parallel();
      const at::Tensor seen = parallel ? constant : after_attention;
      if (!parallel) append(&layer);
      for (int64_t j = 0; j < graph_.mlp_blocks(l); ++j) layer.push_back(on_write(graph_.mlp(l, j), mlp(l, j, seen)));
      append(&layer);
      constant = w.b_out.defined() && !model_.norms_outputs() ? after_attention + w.b_out : after_attention;
    }
    return read(graph_.logits(), constant);
  }
  // Outputs of the last run, per upstream node [tokens, d_model]; and Ā.
  const std::vector<at::Tensor>& outputs() const { return outputs_; }
  at::Tensor ablated(int64_t u) const {
    const GraphNode node = graph_.upstream(u);
    if (node.is(kInputNode)) return ablated_.input;
    const LayerWeights& w = model_.layers()[node.layer];
    if (node.is(kMlpNode)) {
      if (!graph_.splits_mlps()) return ablated_.mlp[node.layer];
      const int64_t first = node.index * graph_.mlp_block(node.layer);
      return at::mm(ablated_.mlp[node.layer].narrow(1, first, graph_.mlp_block(node.layer)),
                    w.w_out.narrow(0, first, graph_.mlp_block(node.layer)));
    }
    const int64_t dh = model_.architecture().value_width();
    return at::mm(ablated_.z[node.layer].narrow(1, node.index * dh, dh), w.w_o.narrow(0, node.index * dh, dh));
  }

  // What a change of node u's output changes of the stream, at the post-norm's recorded scale.
  at::Tensor contribution(int64_t u, const at::Tensor& change) const {
    const GraphNode node = graph_.upstream(u);
    if (!model_.norms_outputs() || node.is(kInputNode)) return change;
    const LayerWeights& w = model_.layers()[node.layer];
    const at::Tensor gamma = norm_scale(node.is(kHeadNode) ? w.attn_post_norm : w.mlp_post_norm);
    return change * gamma * coefficients.at(post_name(node));
  }

  // γ (x − mean) · rstd + β, with the scale of the recorded run where coefficients are frozen.
  at::Tensor norm(const std::string& name, const NormWeights& weights, const at::Tensor& x) {
    const at::Tensor centred = weights.spec.kind == NormKind::kLayerNorm ? x - x.mean(-1, true) : x;
    const at::Tensor live = (centred.square().mean(-1, true) + weights.spec.eps).rsqrt();
    const at::Tensor scale = mode == Coefficients::kInteraction ? coefficients.at(name) : coefficient(name, live);
    const at::Tensor y = centred * scale * norm_scale(weights);
    return weights.bias.defined() ? y + weights.bias : y;
  }

 private:
  void append(std::vector<at::Tensor>* layer) {
    outputs_.insert(outputs_.end(), layer->begin(), layer->end());
    layer->clear();
  }

  at::Tensor coefficient(const std::string& name, const at::Tensor& live) {
    if (mode == Coefficients::kFrozen) return coefficients.at(name);
    if (mode == Coefficients::kRecord) coefficients[name] = live;
    return live;
  }

  // x of the recorded run, and a share of what has moved since.
  at::Tensor part_of_move(const std::string& name, const at::Tensor& x, double share) {
    if (mode == Coefficients::kRecord) coefficients[name] = x;
    return mode == Coefficients::kInteraction ? coefficients.at(name) + (x - coefficients.at(name)) * share : x;
  }

  // With the slope of a soft-max of half the scores, where interactions are modified.
  at::Tensor probabilities(const std::string& name, const at::Tensor& scores) {
    if (mode != Coefficients::kInteraction) {
      if (mode == Coefficients::kRecord) coefficients[name + " scores"] = scores;
      return coefficient(name, at::softmax(scores, 1));
    }
    const at::Tensor moved = at::softmax(scores / 2, 1) - at::softmax(coefficients.at(name + " scores") / 2, 1);
    return coefficients.at(name) + moved * 2;
  }

  at::Tensor read(int64_t v, const at::Tensor& constant) {
    at::Tensor total = constant;
    for (int64_t u = 0; u < graph_.visible(v);) {
      const int64_t end = u + nodes_from(u);
      at::Tensor block = at::zeros_like(outputs_[0]);
      for (int64_t i = u; i < end; ++i) block = block + (edges_[graph_.edge_id(i, v)] ? outputs_[i] : ablated(i));
      total = total + written(u, block);
      u = end;
    }
    return on_read(v, total);
  }

  // Nodes of the block that u is the first of.
  int64_t nodes_from(int64_t u) const {
    const GraphNode node = graph_.upstream(u);
    if (node.is(kInputNode)) return 1;
    return node.is(kHeadNode) ? graph_.n_heads() : graph_.mlp_blocks(node.layer);
  }

  // A reader's own mixture of a block's outputs, through the block's post-norm.
  at::Tensor written(int64_t first, const at::Tensor& block) {
    const GraphNode node = graph_.upstream(first);
    if (!model_.norms_outputs() || node.is(kInputNode)) return block;
    const LayerWeights& w = model_.layers()[node.layer];
    const bool head = node.is(kHeadNode);
    const at::Tensor& bias = head ? w.b_o : w.b_out;
    return norm(post_name(node), head ? w.attn_post_norm : w.mlp_post_norm, bias.defined() ? block + bias : block);
  }

  static std::string post_name(const GraphNode& node) {
    return (node.is(kHeadNode) ? "post a" : "post m") + std::to_string(node.layer);
  }

  // That of queries or keys, whose scale is a coefficient only where interactions are modified.
  at::Tensor head_norm(const std::string& name, const NormWeights& weights, const at::Tensor& x) {
    NormStats stats;
    at::Tensor y = norm_forward(weights, x, &stats);
    if (mode == Coefficients::kRecord) coefficients[name] = stats.rstd;
    if (mode == Coefficients::kInteraction) {
      stats.rstd = coefficients.at(name);
      y = norm_output(weights, x, stats);
    }
    return y;
  }

  at::Tensor head(const TokenBatch& batch, int64_t l, int64_t h, const at::Tensor& constant) {
    const Architecture& a = model_.architecture();
    const AttentionSpec& spec = a.layer(l).attention;
    const LayerWeights& w = model_.layers()[l];
    const int64_t g = h / a.heads_per_kv();
    const int64_t kv = graph_.ungrouped() ? h : g;
    const auto project = [&](int64_t v, const at::Tensor& matrix, const at::Tensor& bias, int64_t unit) {
      const at::Tensor y = norm(graph_.downstream_name(v), w.attn_norm, read(v, constant));
      const at::Tensor out = at::mm(y, head_weight(matrix, unit));
      return bias.defined() ? out + head_bias(bias, unit) : out;
    };
    const RotaryTable table = make_rotary_tables(a, batch, model_.dtype()).of(a, l);
    const std::string own = graph_.upstream_name(graph_.head(l, h));
    const auto turned = [&](const at::Tensor& x, const NormWeights& weights, const char* which) {
      const at::Tensor y = spec.qk_norm ? head_norm(own + which, weights, x) : x;
      return table.cos.defined() ? rotate(y.unsqueeze(1), table, Direction::kForward).squeeze(1) : y;
    };
    const at::Tensor q = turned(project(graph_.query(l, h), w.w_q, w.b_q, h), w.q_norm, " q norm");
    const at::Tensor k = turned(project(graph_.key(l, kv), w.w_k, w.b_k, g), w.k_norm, " k norm");
    const at::Tensor v = project(graph_.value(l, kv), w.w_v, w.b_v, g);
    std::vector<at::Tensor> z;
    for (size_t s = 0; s < batch.lengths.size(); ++s) {
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, batch.starts[s], batch.lengths[s]); };
      const std::string name = own + " of " + std::to_string(s);
      const at::Tensor of_q = part_of_move(name + " q", part(q), 0.25);
      const at::Tensor of_k = part_of_move(name + " k", part(k), 0.25);
      at::Tensor scores = at::mm(of_q, of_k.t()) * a.score_scale(l);
      if (spec.softcap) scores = (scores / *spec.softcap).tanh() * *spec.softcap;
      if (!spec.alibi.empty()) scores = scores + alibi_bias(spec, 0, scores.size(1), scores.options())[h];
      const at::Tensor never = at::full_like(scores, -std::numeric_limits<double>::infinity());
      scores = scores + never.triu(1);
      if (spec.window) scores = scores + never.tril(-*spec.window);
      z.push_back(at::mm(probabilities(name, scores), part_of_move(name + " v", part(v), 0.5)));
    }
    return at::mm(at::cat(z, 0), w.w_o.narrow(0, h * a.value_width(), a.value_width()));
  }

  at::Tensor mlp(int64_t l, int64_t block, const at::Tensor& constant) {
    const MlpSpec& spec = model_.architecture().layer(l).mlp;
    const LayerWeights& w = model_.layers()[l];
    const int64_t first = block * graph_.mlp_block(l);
    const std::string name = graph_.downstream_name(graph_.mlp_in(l, block));
    const at::Tensor y = norm(name, w.mlp_norm, read(graph_.mlp_in(l, block), constant));
    const auto project = [&](const at::Tensor& matrix, const at::Tensor& bias) {
      const at::Tensor out = at::mm(y, matrix.narrow(1, first, graph_.mlp_block(l)));
      return bias.defined() ? out + bias.narrow(0, first, graph_.mlp_block(l)) : out;
    };
    MlpCache in;
    in.in = project(w.w_in, w.b_in);
    if (spec.gated) in.gate = project(w.w_gate, w.b_gate);
    const bool live = mode == Coefficients::kLive || mode == Coefficients::kInteraction;
    const at::Tensor hidden = live ? mlp_hidden(spec, in) : linear_hidden(spec, name, in);
    return at::mm(hidden, w.w_out.narrow(0, first, graph_.mlp_block(l)));
  }

  // With f(x)/x, and a gate's factors, as coefficients.
  at::Tensor linear_hidden(MlpSpec plain, const std::string& name, const MlpCache& in) {
    plain.gated = false;
    const at::Tensor& x = in.gate.defined() ? in.gate : in.in;
    const at::Tensor ratio = coefficient(name + " ratio", mlp_hidden(plain, {x, {}, {}, {}, {}}) / x);
    if (!in.gate.defined()) return ratio * x;
    const at::Tensor gate = coefficient(name + " gate", ratio * in.gate);
    const at::Tensor up = coefficient(name + " up", in.in);
    return (gate * in.in + ratio * in.gate * up) * 0.5;
  }

  const Model& model_;
  const Graph& graph_;
  const NodeOutputs& ablated_;
  const std::vector<bool>& edges_;
  std::vector<at::Tensor> outputs_;
};

}  // namespace circuit
