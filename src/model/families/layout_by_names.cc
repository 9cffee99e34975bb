#include <utility>

#include "model/families/llama_like.h"

namespace circuit {
namespace {

class LayoutWriter {
 public:
  LayoutWriter(const Architecture& a, const LayoutNames& names) : a_(a), names_(names) {}

  Layout write() {
    const int64_t d = a_.d_model;
    all_.prefix = names_.prefix;
    all_.embedding = need(names_.embedding, ".weight", {a_.vocab, d});
    if (a_.embedding.learned_positions) {
      all_.positions = need(names_.positions, ".weight", {a_.n_positions + a_.embedding.position_offset, d});
    }
    for (int64_t l = 0; l < a_.n_layers; ++l) {
      at_ = std::string(names_.layer) + std::to_string(l) + ".";
      all_.layers.push_back(layer(a_.layer(l)));
    }
    at_.clear();
    norm(names_.final_norm, true, &all_.final_norm, &all_.final_norm_bias);
    all_.unembedding = a_.head.tied ? all_.embedding : need(names_.unembedding, ".weight", {a_.vocab, d});
    if (a_.head.bias) all_.unembedding_bias = need(names_.unembedding, ".bias", {a_.vocab});
    return all_;
  }

 private:
  std::string need(const char* name, const char* end, std::vector<int64_t> shape) {
    std::string full = at_ + name + end;
    for (const TensorShape& known : all_.tensors) {
      if (known.name == full) return full;  // shared, such as a norm that two blocks read through
    }
    all_.tensors.push_back({full, std::move(shape)});
    return full;
  }
  void norm(const char* name, bool there, std::string* weight, std::string* bias) {
    if (!there || !names_.norm_weights) return;
    *weight = need(name, ".weight", {a_.d_model});
    if (names_.norm_bias && bias != nullptr) *bias = need(name, ".bias", {a_.d_model});
  }
  // Linear weights are [out, in]: outputs are split along dimension 0, inputs along 1.
  TensorRef outputs(const char* name, int64_t units, int64_t unit, int64_t first = 0, int64_t all = 0,
                    int64_t stride = 0) {
    return {need(name, ".weight", {all == 0 ? units * unit : all, a_.d_model}),
            0,
            first,
            stride == 0 ? unit : stride,
            unit,
            units,
            true};
  }
  TensorRef inputs(const char* name, int64_t units, int64_t unit) {
    return {need(name, ".weight", {a_.d_model, units * unit}), 1, 0, unit, unit, units, true};
  }
  TensorRef bias_of(const char* name, const TensorRef& weight, int64_t all) {
    TensorRef bias = weight;
    bias.tensor = need(name, ".bias", {all});
    bias.transposed = false;
    return bias;
  }

  void attention(const AttentionSpec& spec, LayerLayout* layer) {
    const int64_t dh = a_.d_head;
    const int64_t q = a_.n_heads * dh;
    const int64_t kv = a_.n_kv_heads * dh;
    const bool fused = *names_.qkv != '\0';
    if (fused) {
      const int64_t all = q + 2 * kv;
      const int64_t stride = names_.by_head ? 3 * dh : dh;
      layer->w_q = outputs(names_.qkv, a_.n_heads, dh, 0, all, stride);
      layer->w_k = outputs(names_.qkv, a_.n_kv_heads, dh, names_.by_head ? dh : q, all, stride);
      layer->w_v = outputs(names_.qkv, a_.n_kv_heads, dh, names_.by_head ? 2 * dh : q + kv, all, stride);
    } else {
      layer->w_q = outputs(names_.q, a_.n_heads, dh);
      layer->w_k = outputs(names_.k, a_.n_kv_heads, dh);
      layer->w_v = outputs(names_.v, a_.n_kv_heads, dh);
    }
    layer->w_o = inputs(names_.o, a_.n_heads, dh);
    if (spec.qkv_bias) {
      const int64_t all = q + 2 * kv;
      layer->b_q = bias_of(fused ? names_.qkv : names_.q, layer->w_q, fused ? all : q);
      layer->b_k = bias_of(fused ? names_.qkv : names_.k, layer->w_k, fused ? all : kv);
      layer->b_v = bias_of(fused ? names_.qkv : names_.v, layer->w_v, fused ? all : kv);
    }
    if (spec.qk_norm) {
      layer->q_norm = need(names_.q_norm, ".weight", {spec.qk_norm_whole ? q : dh});
      layer->k_norm = need(names_.k_norm, ".weight", {spec.qk_norm_whole ? kv : dh});
    }
    if (spec.out_bias) layer->b_o = need(names_.o, ".bias", {a_.d_model});
  }

  void mlp(const MlpSpec& spec, LayerLayout* layer) {
    const bool fused = *names_.gate_in != '\0';
    const int64_t m = a_.d_mlp;
    if (spec.gated && fused) {
      layer->w_gate = outputs(names_.gate_in, m, 1, 0, 2 * m);
      layer->w_in = outputs(names_.gate_in, m, 1, m, 2 * m);
    } else {
      if (spec.gated) layer->w_gate = outputs(names_.gate, m, 1);
      layer->w_in = outputs(names_.in, m, 1);
    }
    layer->w_out = inputs(names_.out, m, 1);
    if (!spec.bias) return;
    if (spec.gated) {
      layer->b_gate = bias_of(fused ? names_.gate_in : names_.gate, layer->w_gate, fused ? 2 * m : m);
    }
    layer->b_in =
        bias_of(spec.gated && fused ? names_.gate_in : names_.in, layer->w_in, spec.gated && fused ? 2 * m : m);
    layer->b_out = need(names_.out, ".bias", {a_.d_model});
  }

  LayerLayout layer(const LayerSpec& spec) {
    LayerLayout layer;
    norm(names_.attn_norm, spec.pre_norm(BlockKind::kAttention), &layer.attn_norm, &layer.attn_norm_bias);
    attention(spec.attention, &layer);
    norm(names_.attn_post_norm, spec.post_norm(BlockKind::kAttention), &layer.attn_post_norm, nullptr);
    norm(names_.mlp_norm, spec.pre_norm(BlockKind::kMlp), &layer.mlp_norm, &layer.mlp_norm_bias);
    norm(names_.mlp_post_norm, spec.post_norm(BlockKind::kMlp), &layer.mlp_post_norm, nullptr);
    mlp(spec.mlp, &layer);
    return layer;
  }

  const Architecture& a_;
  const LayoutNames& names_;
  Layout all_;
  std::string at_;
};

}  // namespace

Layout layout_by_names(const Architecture& architecture, const LayoutNames& names) {
  return LayoutWriter(architecture, names).write();
}

Layout llama_like_layout(const Architecture& architecture) {
  LayoutNames names;
  if (architecture.layer(0).post_norm(BlockKind::kAttention)) {
    // Gemma's names: what stands after attention norms its output, not the MLP's input.
    names.attn_post_norm = "post_attention_layernorm";
    names.mlp_norm = "pre_feedforward_layernorm";
    names.mlp_post_norm = "post_feedforward_layernorm";
  }
  return layout_by_names(architecture, names);
}

}  // namespace circuit
