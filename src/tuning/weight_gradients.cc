#include "tuning/weight_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "model/rows.h"

namespace circuit {
namespace {

// Gradients times a factor, at the side where they are smallest: before they become weights' gradients.
class ScaledSink : public WeightSink {
 public:
  ScaledSink(WeightSink& sink, double factor) : sink_(sink), factor_(factor) {}
  bool wants(const std::string& tensor) const override { return sink_.wants(tensor); }
  void linear(const TensorRef& ref, Units units, int64_t first, const at::Tensor& input,
              const at::Tensor& d_out) override {
    sink_.linear(ref, units, first, input, d_out * factor_);
  }
  void vector(const std::string& tensor, int64_t first, const at::Tensor& rows) override {
    sink_.vector(tensor, first, rows * factor_);
  }
  void lookup(const std::string& tensor, const at::Tensor& index, const at::Tensor& d) override {
    sink_.lookup(tensor, index, d * factor_);
  }
  void whole(const std::string& tensor, const at::Tensor& gradient) override {
    sink_.whole(tensor, gradient * factor_);
  }
  void block(const std::string& tensor, int64_t dim, int64_t first, const at::Tensor& gradient) override {
    sink_.block(tensor, dim, first, gradient * factor_);
  }

 private:
  WeightSink& sink_;
  double factor_;
};

}  // namespace

void WeightVisitor::outputs(const TensorRef& weight, const TensorRef& bias_ref, const at::Tensor& y,
                            const at::Tensor& d_out, int64_t first) {
  if (wants(weight)) sink_.linear(weight, WeightSink::Units::kOutputs, first, y, d_out);
  if (wants(bias_ref)) sink_.vector(bias_ref.tensor, bias_ref.first, d_out);
}

void WeightVisitor::inputs(const TensorRef& weight, const at::Tensor& h, const at::Tensor& d_out) {
  if (wants(weight)) sink_.linear(weight, WeightSink::Units::kInputs, weight.first, h, d_out);
}

void WeightVisitor::bias(const std::string& tensor, const at::Tensor& d_out) {
  if (!tensor.empty() && sink_.wants(tensor)) sink_.vector(tensor, 0, d_out);
}

void norm_weight_gradients(const std::string& weight, const std::string& bias, const at::Tensor& x,
                           const NormStats& stats, const at::Tensor& d_y, WeightSink& sink) {
  if (!weight.empty() && sink.wants(weight)) sink.vector(weight, 0, d_y * norm_standardised(x, stats));
  if (!bias.empty() && sink.wants(bias)) sink.vector(bias, 0, d_y);
}

// An expert's gradients, from the tokens that visit it; none where none does.
void WeightVisitor::expert_weights(const MlpBackward& g, const at::Tensor& y, const at::Tensor& h, int64_t e) {
  const LayerLayout& layer = model_.layout().layers[g.layer];
  const ExpertLayout& at = layer.experts[e];
  const auto count = static_cast<int64_t>(layer.experts.size());
  const int64_t width = g.channels.d_in.size(1) / count;
  const at::Tensor rows = g.kept.gates.select(1, e).nonzero().squeeze(1);
  if (rows.size(0) == 0) return;
  const auto of = [&](const at::Tensor& all, int64_t channels) {
    return all.narrow(1, e * width, channels).index_select(0, rows);
  };
  const auto matrix = [&](const ExpertRef& ref, const at::Tensor& in, const at::Tensor& out) {
    if (ref.present() && sink_.wants(ref.tensor)) show_expert(ref, at::mm(in.t(), out));
  };
  const auto vector = [&](const ExpertRef& ref, const at::Tensor& out) {
    if (ref.present() && sink_.wants(ref.tensor)) show_expert(ref, out.sum(0));
  };
  const at::Tensor of_y = y.index_select(0, rows);
  const int64_t channels = at.w_in.count;
  const at::Tensor d_in = of(g.channels.d_in, channels);
  matrix(at.w_in, of_y, d_in);
  vector(at.b_in, d_in);
  if (at.w_gate.present()) {
    const at::Tensor d_gate = of(g.channels.d_gate, channels);
    matrix(at.w_gate, of_y, d_gate);
    vector(at.b_gate, d_gate);
  }
  const at::Tensor d_out = g.d_out.index_select(0, rows);
  matrix(at.w_out, of(h, channels), d_out);
  if (at.b_out.present()) vector(at.b_out, d_out * g.kept.gates.select(1, e).index_select(0, rows).unsqueeze(1));
}

// gradient: [in, out], or of a bias [out], of what the reference names.
void WeightVisitor::show_expert(const ExpertRef& ref, const at::Tensor& gradient) {
  if (ref.part < 0) {
    const bool inputs = ref.inputs > 0;
    const int64_t first = inputs ? ref.first_input : ref.first;
    const int64_t dim = inputs == ref.transposed ? 1 : 0;
    sink_.block(ref.tensor, gradient.dim() == 1 ? 0 : dim, first, ref.transposed ? gradient.t() : gradient);
    return;
  }
  const at::Tensor whole = at::zeros(model_.parameter(ref.tensor).sizes().slice(1), gradient.options());
  expert_view(whole, ref).copy_(gradient);
  sink_.block(ref.tensor, 0, ref.part, whole.unsqueeze(0));
}

void WeightVisitor::experts(const MlpBackward& g) {
  const LayerLayout& at = model_.layout().layers[g.layer];
  const at::Tensor y = norm_output(model_.layers()[g.layer].mlp_norm, g.x, g.stats);
  const at::Tensor h = mlp_hidden(model_.architecture().layer(g.layer).mlp, g.kept);
  for (size_t e = 0; e < at.experts.size(); ++e) expert_weights(g, y, h, static_cast<int64_t>(e));
  const int64_t routed = model_.architecture().layer(g.layer).mlp.experts.routed;
  const at::Tensor d = g.channels.d_logits.narrow(1, 0, routed);
  if (sink_.wants(at.router)) sink_.block(at.router, 0, 0, at::mm(d.t(), y));
  if (!at.router_bias.empty() && sink_.wants(at.router_bias)) sink_.block(at.router_bias, 0, 0, d.sum(0));
  if (!at.shared_gate.empty() && sink_.wants(at.shared_gate)) {
    sink_.block(at.shared_gate, 0, 0, at::mm(g.channels.d_logits.narrow(1, routed, 1).t(), y));
  }
}

void WeightVisitor::on_mlp(const MlpBackward& g) {
  const LayerLayout& at = model_.layout().layers[g.layer];
  if (!at.experts.empty()) experts(g);
  if (wants(at.w_out)) inputs(at.w_out, mlp_hidden(model_.architecture().layer(g.layer).mlp, g.kept), g.d_out);
  bias(at.b_out, g.d_out);
  if (!at.slope_p.empty() && (sink_.wants(at.slope_p) || sink_.wants(at.slope_n))) {
    const SlopeGradients d = slope_gradients(model_.layers()[g.layer], g.kept.in, g.channels.d_hidden);
    if (sink_.wants(at.slope_p)) sink_.vector(at.slope_p, 0, d.d_p);
    if (sink_.wants(at.slope_n)) sink_.vector(at.slope_n, 0, d.d_n);
  }
  if (g.out.defined()) {
    norm_weight_gradients(at.mlp_post_norm, "", g.out, g.out_stats, take_rows(g.d_stream, g.rows), sink_);
  }
  if (wants(at.w_in) || wants(at.w_gate) || wants(at.b_in) || wants(at.b_gate)) {
    const at::Tensor y = norm_output(model_.layers()[g.layer].mlp_norm, g.x, g.stats);
    if (at.w_gate.present() && at.w_gate.tensor == at.w_in.tensor) {
      // One tensor, the gate first: a sink is shown it once.
      outputs(at.w_gate, at.b_gate, y, at::cat({g.channels.d_gate, g.channels.d_in}, 1), at.w_gate.first);
    } else {
      outputs(at.w_in, at.b_in, y, g.channels.d_in, at.w_in.first);
      if (g.channels.d_gate.defined()) outputs(at.w_gate, at.b_gate, y, g.channels.d_gate, at.w_gate.first);
    }
  }
  norm_weight_gradients(at.mlp_norm, at.mlp_norm_bias, g.x, g.stats, g.d_y, sink_);
}

// Gradients of the weights of a q or k norm, whose outputs' gradients are d [tokens, heads, d_head].
void WeightVisitor::head_norms(const std::string& weight, const std::string& bias, const std::vector<std::string>& each,
                               const at::Tensor& x, const NormStats& stats, const at::Tensor& d) {
  if (each.empty() && (weight.empty() || model_.parameter(weight).dim() == 1)) {
    norm_weight_gradients(weight, bias, x, stats, d, sink_);
    return;
  }
  const at::Tensor by_head = (d * norm_standardised(x, stats)).sum(0);  // [heads, d_head]
  if (each.empty()) {
    if (sink_.wants(weight)) sink_.block(weight, 0, 0, by_head);
    return;
  }
  for (size_t h = 0; h < each.size(); ++h) {
    if (sink_.wants(each[h])) sink_.block(each[h], 0, 0, by_head[static_cast<int64_t>(h)]);
  }
}

// Of latents (model/latent.h): what makes them, their norms, and what reads them.
void WeightVisitor::latents(const AttentionBackward& g) {
  const LayerLayout& at = model_.layout().layers[g.layer];
  const LayerWeights& w = model_.layers()[g.layer];
  const LayerCache& kept = run_.layers[g.layer];
  const LatentCache& cache = kept.qk_norm.latent;
  const auto y = [&] { return norm_output(w.attn_norm, kept.x_attn, kept.attn_stats); };
  const bool ranked = at.q_down.present();
  const at::Tensor kv = cache.kv.narrow(1, 0, w.w_k.size(0));
  if (wants(at.w_q)) {
    outputs(at.w_q, {}, ranked ? norm_output(w.latent.q_norm, cache.q, cache.q_stats) : y(), g.latent.d_q, 0);
  }
  if (wants(at.w_k)) outputs(at.w_k, {}, norm_output(w.latent.kv_norm, kv, cache.kv_stats), g.latent.d_kv, 0);
  if (wants(at.q_down)) outputs(at.q_down, {}, y(), g.latent.d_q_down, 0);
  if (wants(at.kv_down)) outputs(at.kv_down, {}, y(), g.latent.d_kv_down, 0);
  bias(at.q_down_bias, g.latent.d_q_down);
  bias(at.kv_down_bias, g.latent.d_kv_down);
  if (ranked) norm_weight_gradients(at.q_latent_norm, "", cache.q, cache.q_stats, g.latent.d_q_normed, sink_);
  norm_weight_gradients(at.kv_latent_norm, "", kv, cache.kv_stats, g.latent.d_kv_normed, sink_);
}

void WeightVisitor::on_attention(const AttentionBackward& g) {
  const LayerLayout& at = model_.layout().layers[g.layer];
  const LayerWeights& w = model_.layers()[g.layer];
  const LayerCache& kept = run_.layers[g.layer];
  inputs(at.w_o, kept.z, g.d_out);
  bias(at.b_o, g.d_out);
  if (g.out.defined()) {
    norm_weight_gradients(at.attn_post_norm, "", g.out, g.out_stats, take_rows(g.d_stream, g.rows), sink_);
  }
  if (w.latent.defined()) latents(g);
  const bool reads = !w.latent.defined() && (wants(at.w_q) || wants(at.w_k) || wants(at.w_v) || wants(at.b_q) ||
                                             wants(at.b_k) || wants(at.b_v));
  if (reads) {
    const at::Tensor y = norm_output(w.attn_norm, kept.x_attn, kept.attn_stats);
    if (w.w_qkv.defined()) {
      outputs(at.w_q, at.b_q, y, g.d_qkv, at.w_q.first);
    } else {
      const int64_t q = at.w_q.units * at.w_q.unit;
      const int64_t kv = at.w_k.units * at.w_k.unit;
      outputs(at.w_q, at.b_q, y, g.d_qkv.narrow(1, 0, q), at.w_q.first);
      outputs(at.w_k, at.b_k, y, g.d_qkv.narrow(1, q, kv), at.w_k.first);
      outputs(at.w_v, at.b_v, y, g.d_qkv.narrow(1, q + kv, kv), at.w_v.first);
    }
  }
  if (wants(at.sinks)) sink_.vector(at.sinks.tensor, 0, g.d_sinks);
  norm_weight_gradients(at.attn_norm, at.attn_norm_bias, kept.x_attn, kept.attn_stats, g.d_y, sink_);
  const QueryKeyNormCache& normed = kept.qk_norm;
  head_norms(at.q_norm, at.q_norm_bias, at.q_norms, normed.q, normed.q_stats, g.d_q_normed);
  head_norms(at.k_norm, at.k_norm_bias, at.k_norms, normed.k, normed.k_stats, g.d_k_normed);
}

void WeightVisitor::on_embedding(const at::Tensor& d_stream) {
  const Layout& layout = model_.layout();
  const Architecture& a = model_.architecture();
  at::Tensor d_rows = d_stream;
  if (model_.embedding_norm().defined()) {
    const at::Tensor x = embedding_rows(model_, batch_.ids);
    NormStats stats;
    norm_forward(model_.embedding_norm(), x, &stats);
    norm_weight_gradients(layout.embedding_norm, layout.embedding_norm_bias, x, stats, d_stream, sink_);
    d_rows = norm_backward(model_.embedding_norm(), x, stats, d_stream);
  }
  if (sink_.wants(layout.embedding)) {
    sink_.lookup(layout.embedding, batch_.ids, embedding_backward(a, d_rows));
  }
  if (!layout.positions.empty() && sink_.wants(layout.positions)) {
    sink_.lookup(layout.positions, position_rows(a, batch_.positions), d_stream);
  }
}

void weight_gradients(const Model& model, const TokenBatch& batch, ForwardCache& run, const Loss& loss, double scale,
                      WeightSink& sink) {
  const Layout& layout = model.layout();
  const at::Tensor d_y = loss.d_y * scale;
  const double factor = model.final_norm().spec.factor;
  norm_weight_gradients(layout.final_norm, layout.final_norm_bias, loss.head.x, loss.head.stats,
                        factor == 1 ? d_y : d_y * factor, sink);
  if (loss.d_unembedding.defined() && sink.wants(layout.unembedding)) {
    sink.whole(layout.unembedding, loss.d_unembedding * scale);
  }
  if (loss.d_bias.defined() && sink.wants(layout.unembedding_bias)) {
    sink.vector(layout.unembedding_bias, 0, (loss.d_bias * scale).unsqueeze(0));
  }
  WeightVisitor visitor(model, batch, run, sink);
  backward(model, batch, run, head_backward(model, loss.head, d_y, batch.tokens()), KeyValueGradients::kGrouped,
           CacheUse::kRelease, visitor);
}

void RecordedBackward::on_mlp(const MlpBackward& gradients) {
  mlps_.push_back(gradients);
  mlps_.back().d_reader = at::Tensor();
}

void RecordedBackward::on_attention(const AttentionBackward& gradients) {
  attentions_.push_back(gradients);
  // All that a sink reads of the heads is in d_qkv.
  attentions_.back().heads = AttentionGradients();
  attentions_.back().d_z = attentions_.back().d_reader = at::Tensor();
}

void RecordedBackward::show(const Model& model, const TokenBatch& batch, const ForwardCache& run, double factor,
                            WeightSink& sink) const {
  ScaledSink scaled(sink, factor);
  WeightVisitor visitor(model, batch, run, scaled);
  for (size_t i = 0; i < mlps_.size(); ++i) {
    visitor.on_mlp(mlps_[i]);
    visitor.on_attention(attentions_[i]);
  }
  visitor.on_embedding(d_embedding_);
}

}  // namespace circuit
