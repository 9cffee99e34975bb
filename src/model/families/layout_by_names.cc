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
    if (a_.embedding.norm) norm(names_.embedding_norm, true, &all_.embedding_norm, &all_.embedding_norm_bias);
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
    return outputs_of(a_.d_model, name, units, unit, first, all, stride);
  }
  // The same of a matrix that reads `from` channels.
  TensorRef outputs_of(int64_t from, const char* name, int64_t units, int64_t unit, int64_t first = 0, int64_t all = 0,
                       int64_t stride = 0) {
    return {need(name, ".weight", {all == 0 ? units * unit : all, from}),
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

  // Queries, keys and values in one tensor: where the first of each stands, and how far apart they are.
  void fused_attention(LayerLayout* layer) {
    const int64_t dh = a_.d_head;
    const int64_t q = a_.n_heads * dh;
    const int64_t kv = a_.n_kv_heads * dh;
    const auto refs = [&](int64_t k_first, int64_t v_first, int64_t q_stride, int64_t kv_stride) {
      layer->w_q = outputs(names_.qkv, a_.n_heads, dh, 0, q + 2 * kv, q_stride);
      layer->w_k = outputs(names_.qkv, a_.n_kv_heads, dh, k_first, q + 2 * kv, kv_stride);
      layer->w_v = outputs(names_.qkv, a_.n_kv_heads, dh, v_first, q + 2 * kv, kv_stride);
    };
    const auto in_groups = [](TensorRef* ref, int64_t group, int64_t group_stride) {
      ref->group = group;
      ref->group_stride = group_stride;
    };
    if (names_.order == FusedOrder::kSideBySide) refs(q, q + kv, dh, dh);
    if (names_.order == FusedOrder::kByHead) refs(dh, 2 * dh, 3 * dh, 3 * dh);
    if (names_.order == FusedOrder::kByGroup) {
      const int64_t queries = a_.heads_per_kv();
      const int64_t group = (queries + 2) * dh;
      refs(queries * dh, (queries + 1) * dh, dh, group);
      in_groups(&layer->w_q, queries, group);
    }
    if (names_.order == FusedOrder::kInChunks) {
      const int64_t heads = a_.n_heads / 4;
      refs(2 * heads * dh, heads * dh, dh, dh);
      for (TensorRef* ref : {&layer->w_q, &layer->w_k, &layer->w_v}) in_groups(ref, heads, 3 * heads * dh);
    }
  }

  void latents(const AttentionSpec& spec, LayerLayout* layer) {
    const LatentSpec& latent = *spec.latent;
    const int64_t rotated = spec.rotary->dims;
    const auto down = [&](const char* name, int64_t width, std::string* bias) {
      if (latent.bias) *bias = need(name, ".bias", {width});
      return outputs(name, 1, width);
    };
    if (latent.q_rank > 0) {
      layer->q_down = down(names_.q_down, latent.q_rank, &layer->q_down_bias);
      layer->q_latent_norm = need(names_.q_latent_norm, ".weight", {latent.q_rank});
      layer->w_q = outputs_of(latent.q_rank, names_.q_up, a_.n_heads, a_.d_head);
    } else {
      layer->w_q = outputs(names_.q, a_.n_heads, a_.d_head);
    }
    layer->kv_down = down(names_.kv_down, latent.kv_rank + rotated, &layer->kv_down_bias);
    layer->kv_latent_norm = need(names_.kv_latent_norm, ".weight", {latent.kv_rank});
    const int64_t plain = a_.d_head - rotated;
    const int64_t both = plain + a_.value_width();
    const auto part = [&](int64_t width, int64_t first) {
      return outputs_of(latent.kv_rank, names_.kv_up, a_.n_heads, width, first, a_.n_heads * both, both);
    };
    layer->w_k = part(plain, 0);
    layer->w_v = part(a_.value_width(), plain);
  }

  void attention(const AttentionSpec& spec, LayerLayout* layer) {
    const int64_t dh = a_.d_head;
    const int64_t q = a_.n_heads * dh;
    const int64_t kv = a_.n_kv_heads * dh;
    const bool fused = *names_.qkv != '\0';
    if (spec.latent) {
      latents(spec, layer);
    } else if (fused) {
      fused_attention(layer);
    } else {
      layer->w_q = outputs(names_.q, a_.n_heads, dh);
      layer->w_k = outputs(names_.k, a_.n_kv_heads, dh);
      layer->w_v = outputs(names_.v, a_.n_kv_heads, dh);
    }
    layer->w_o = inputs(names_.o, a_.n_heads, a_.value_width());
    if (spec.qkv_bias) {
      const int64_t all = q + 2 * kv;
      layer->b_q = bias_of(fused ? names_.qkv : names_.q, layer->w_q, fused ? all : q);
      layer->b_k = bias_of(fused ? names_.qkv : names_.k, layer->w_k, fused ? all : kv);
      layer->b_v = bias_of(fused ? names_.qkv : names_.v, layer->w_v, fused ? all : kv);
    }
    if (spec.qk_norm && spec.qk_norm_by_head && names_.norm_each_head) {
      const auto each = [&](const char* name, int64_t heads, std::vector<std::string>* all) {
        for (int64_t h = 0; h < heads; ++h) {
          all->push_back(need((name + (".norms." + std::to_string(h))).c_str(), ".weight", {dh}));
        }
      };
      each(names_.q_norm, a_.n_heads, &layer->q_norms);
      each(names_.k_norm, a_.n_kv_heads, &layer->k_norms);
    } else if (spec.qk_norm && spec.qk_norm_by_head) {
      layer->q_norm = need(names_.q_norm, ".weight", {a_.n_heads, dh});
      layer->k_norm = need(names_.k_norm, ".weight", {a_.n_kv_heads, dh});
    } else if (spec.qk_norm) {
      layer->q_norm = need(names_.q_norm, ".weight", {spec.qk_norm_whole ? q : dh});
      layer->k_norm = need(names_.k_norm, ".weight", {spec.qk_norm_whole ? kv : dh});
      if (spec.qk_norm_bias) {
        layer->q_norm_bias = need(names_.q_norm, ".bias", {spec.qk_norm_whole ? q : dh});
        layer->k_norm_bias = need(names_.k_norm, ".bias", {spec.qk_norm_whole ? kv : dh});
      }
    }
    if (spec.out_bias) layer->b_o = need(names_.o, ".bias", {a_.d_model});
    if (spec.sinks) layer->sinks = TensorRef{need(names_.sinks, "", {a_.n_heads}), 0, 0, 1, 1, a_.n_heads, false};
  }

  // Tensors of an expert's own.
  ExpertLayout expert(const std::string& at, int64_t width) {
    ExpertLayout e;
    const auto matrix = [&](const char* name, int64_t out, int64_t in) {
      ExpertRef ref;
      ref.tensor = need((at + name).c_str(), "", {out, in});
      ref.count = out;
      return ref;
    };
    e.w_gate = matrix(names_.expert_gate, width, a_.d_model);
    e.w_in = matrix(names_.expert_in, width, a_.d_model);
    e.w_out = matrix(names_.expert_out, a_.d_model, width);
    return e;
  }

  // The part of tensors that hold all experts.
  ExpertLayout expert_of_all(const MlpSpec& spec, int64_t number, int64_t channels) {
    const int64_t all = spec.experts.routed;
    const int64_t d = a_.d_model;
    const bool turned = names_.all_transposed;
    const auto part = [&](const std::string& tensor, int64_t first, int64_t step, int64_t count, bool transposed) {
      ExpertRef ref;
      ref.tensor = tensor;
      ref.part = number;
      ref.first = first;
      ref.step = step;
      ref.count = count;
      ref.transposed = transposed;
      return ref;
    };
    const auto halves = [&](const std::string& tensor, bool transposed, ExpertRef* gate, ExpertRef* in) {
      const int64_t step = names_.by_turns ? 2 : 1;
      *gate = part(tensor, 0, step, channels, transposed);
      *in = part(tensor, names_.by_turns ? 1 : channels, step, channels, transposed);
    };
    using Shape = std::vector<int64_t>;
    ExpertLayout e;
    halves(need(names_.all_gate_in, "", turned ? Shape{all, 2 * channels, d} : Shape{all, d, 2 * channels}), turned,
           &e.w_gate, &e.w_in);
    e.w_out =
        part(need(names_.all_out, "", turned ? Shape{all, d, channels} : Shape{all, channels, d}), 0, 1, d, turned);
    if (spec.bias) halves(need(names_.all_gate_in, "_bias", {all, 2 * channels}), false, &e.b_gate, &e.b_in);
    if (spec.experts.out_bias) e.b_out = part(need(names_.all_out, "_bias", {all, d}), 0, 1, d, false);
    return e;
  }

  void experts(const MlpSpec& spec, LayerLayout* layer) {
    const ExpertsSpec& experts = spec.experts;
    const int64_t channels = experts.width - (experts.out_bias ? 1 : 0);
    layer->router = need(names_.router, ".weight", {experts.routed, a_.d_model});
    if (experts.router_bias) layer->router_bias = need(names_.router, ".bias", {experts.routed});
    if (experts.router == RouterKind::kSigmoid) {
      layer->choice_bias = at_ + names_.choice_bias;
      all_.constants.push_back({layer->choice_bias, {experts.routed}});
    }
    const bool together = *names_.all_gate_in != '\0';
    for (int64_t e = 0; e < experts.routed; ++e) {
      layer->experts.push_back(together ? expert_of_all(spec, e, channels)
                                        : expert(names_.experts + std::to_string(e) + ".", channels));
    }
    if (experts.shared == 0) return;
    if (experts.shared_gate) layer->shared_gate = need(names_.shared_gate, "", {1, a_.d_model});
    const ExpertLayout whole = expert(names_.shared, experts.shared * experts.width);
    for (int64_t s = 0; s < experts.shared; ++s) {
      ExpertLayout piece = whole;
      for (ExpertRef* in : {&piece.w_gate, &piece.w_in}) {
        in->first = s * experts.width;
        in->count = experts.width;
      }
      piece.w_out.first_input = s * experts.width;
      piece.w_out.inputs = experts.width;
      layer->experts.push_back(piece);
    }
  }

  void mlp(const MlpSpec& spec, LayerLayout* layer) {
    if (spec.experts.any()) return experts(spec, layer);
    const bool fused = *names_.gate_in != '\0';
    const int64_t m = spec.channels > 0 ? spec.channels : a_.d_mlp;
    if (spec.gated && fused) {
      layer->w_gate = outputs(names_.gate_in, m, 1, 0, 2 * m);
      layer->w_in = outputs(names_.gate_in, m, 1, m, 2 * m);
    } else {
      if (spec.gated) layer->w_gate = outputs(names_.gate, m, 1);
      layer->w_in = outputs(names_.in, m, 1);
    }
    layer->w_out = inputs(names_.out, m, 1);
    if (spec.activation == Activation::kXielu) {
      layer->slope_p = need(names_.slope_p, "", {1});
      layer->slope_n = need(names_.slope_n, "", {1});
    }
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
