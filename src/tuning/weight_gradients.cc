#include "tuning/weight_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

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

void WeightVisitor::on_mlp(const MlpBackward& g) {
  const LayerLayout& at = model_.layout().layers[g.layer];
  if (wants(at.w_out)) inputs(at.w_out, mlp_hidden(model_.architecture().layer(g.layer).mlp, g.kept), g.d_out);
  bias(at.b_out, g.d_out);
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

void WeightVisitor::on_attention(const AttentionBackward& g) {
  const LayerLayout& at = model_.layout().layers[g.layer];
  const LayerWeights& w = model_.layers()[g.layer];
  const LayerCache& kept = run_.layers[g.layer];
  inputs(at.w_o, kept.z, g.d_out);
  bias(at.b_o, g.d_out);
  if (g.out.defined()) {
    norm_weight_gradients(at.attn_post_norm, "", g.out, g.out_stats, take_rows(g.d_stream, g.rows), sink_);
  }
  const bool reads = wants(at.w_q) || wants(at.w_k) || wants(at.w_v) || wants(at.b_q) || wants(at.b_k) || wants(at.b_v);
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
  norm_weight_gradients(at.attn_norm, at.attn_norm_bias, kept.x_attn, kept.attn_stats, g.d_y, sink_);
  norm_weight_gradients(at.q_norm, "", kept.qk_norm.q, kept.qk_norm.q_stats, g.d_q_normed, sink_);
  norm_weight_gradients(at.k_norm, "", kept.qk_norm.k, kept.qk_norm.k_stats, g.d_k_normed, sink_);
}

void WeightVisitor::on_embedding(const at::Tensor& d_stream) {
  const Layout& layout = model_.layout();
  const Architecture& a = model_.architecture();
  if (sink_.wants(layout.embedding)) {
    sink_.lookup(layout.embedding, batch_.ids, embedding_backward(a, d_stream));
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
