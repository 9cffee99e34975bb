#include "model/families/llama_like.h"

#include "core/error.h"

namespace circuit {
namespace {

bool has_value(const Json& config, const char* key) { return config.contains(key) && !config.at(key).is_null(); }

}  // namespace

Architecture read_llama_like(const Json& config, const std::string& place) {
  Architecture a;
  a.n_layers = require_layers(config, "num_hidden_layers", place);
  a.n_heads = require_size(config, "num_attention_heads", place);
  a.n_kv_heads = optional_size(config, "num_key_value_heads", a.n_heads, place);
  a.d_model = require_size(config, "hidden_size", place);
  if (!has_value(config, "head_dim") && a.d_model % a.n_heads != 0) {
    fail(place, "hidden_size {} is not divisible by num_attention_heads {}, and there is no head_dim.", a.d_model,
         a.n_heads);
  }
  a.d_head = optional_size(config, "head_dim", a.d_model / a.n_heads, place);
  a.d_mlp = require_size(config, "intermediate_size", place);
  a.vocab = require_size(config, "vocab_size", place);
  a.n_positions = require_size(config, "max_position_embeddings", place);
  if (a.n_heads % a.n_kv_heads != 0) {
    fail(place, "num_key_value_heads {} does not divide num_attention_heads {}.", a.n_kv_heads, a.n_heads);
  }
  if (a.d_head < 2 || a.d_head % 2 != 0) fail(place, "head_dim: found {}, expected a positive even size.", a.d_head);
  a.norm.kind = NormKind::kRmsNorm;
  a.norm.eps = read_epsilon(config, "rms_norm_eps", 1e-6, place);
  LayerSpec& layer = a.every_layer();
  layer.mlp.activation = parse_activation(optional_string(config, "hidden_act", "silu", place), "hidden_act", place);
  layer.mlp.gated = true;
  const double share = read_rotary_share(config, 1, place);
  if (share != 1) fail(place, "partial_rotary_factor: found {}, expected 1.", share);
  RotarySpec rotary;
  rotary.theta = read_positive(config, "rope_theta", 10000, place);
  rotary.dims = a.d_head;
  read_rope_scaling(config, place, &rotary);
  layer.attention.rotary = rotary;
  a.head.tied = optional_bool(config, "tie_word_embeddings", false, place);
  read_token_ids(config, place, &a);
  note_dropout(config, &a);
  return a;
}

// Where only some layers use a window, the mask would differ from layer to layer.
void require_full_attention(const Json& config, const std::string& place) {
  if (optional_bool(config, "use_sliding_window", false, place)) {
    fail(place, "use_sliding_window = true is not supported.");
  }
  const auto types = config.find("layer_types");
  if (types == config.end() || types->is_null()) return;
  if (!types->is_array()) fail(place, "layer_types: found a {}, expected an array.", types->type_name());
  for (const Json& type : *types) {
    if (type != "full_attention") fail(place, "layer_types: {} is not supported. Known: full_attention.", type.dump());
  }
}

Layout llama_like_layout(const Architecture& a) {
  const int64_t d = a.d_model;
  const int64_t q = a.n_heads * a.d_head;
  const int64_t kv = a.n_kv_heads * a.d_head;
  Layout all;
  all.prefix = "model.";
  all.embedding = "embed_tokens.weight";
  all.unembedding = a.head.tied ? all.embedding : "lm_head.weight";
  all.final_norm = "norm.weight";
  all.tensors = {{all.embedding, {a.vocab, d}}};
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const std::string at = "layers." + std::to_string(l) + ".";
    const auto need = [&](const std::string& name, std::vector<int64_t> shape) {
      all.tensors.push_back({name, std::move(shape)});
      return name;
    };
    // Linear weights are [out, in]: outputs are split along dimension 0, inputs along 1.
    const auto split = [&](const std::string& name, std::vector<int64_t> shape, int64_t dim, int64_t unit) {
      const int64_t units = shape[dim] / unit;
      const bool matrix = shape.size() == 2;
      return TensorRef{need(name, std::move(shape)), dim, 0, unit, unit, units, matrix};
    };
    const LayerSpec& spec = a.layer(l);
    LayerLayout layer;
    layer.attn_norm = need(at + "input_layernorm.weight", {d});
    layer.w_q = split(at + "self_attn.q_proj.weight", {q, d}, 0, a.d_head);
    layer.w_k = split(at + "self_attn.k_proj.weight", {kv, d}, 0, a.d_head);
    layer.w_v = split(at + "self_attn.v_proj.weight", {kv, d}, 0, a.d_head);
    layer.w_o = split(at + "self_attn.o_proj.weight", {d, q}, 1, a.d_head);
    if (spec.attention.qkv_bias) {
      layer.b_q = split(at + "self_attn.q_proj.bias", {q}, 0, a.d_head);
      layer.b_k = split(at + "self_attn.k_proj.bias", {kv}, 0, a.d_head);
      layer.b_v = split(at + "self_attn.v_proj.bias", {kv}, 0, a.d_head);
    }
    if (spec.attention.qk_norm) {
      layer.q_norm = need(at + "self_attn.q_norm.weight", {a.d_head});
      layer.k_norm = need(at + "self_attn.k_norm.weight", {a.d_head});
    }
    if (spec.attention.out_bias) layer.b_o = need(at + "self_attn.o_proj.bias", {d});
    if (spec.post_norm(BlockKind::kAttention)) {
      // Gemma's names: what stands after attention norms its output, not the MLP's input.
      layer.attn_post_norm = need(at + "post_attention_layernorm.weight", {d});
      layer.mlp_norm = need(at + "pre_feedforward_layernorm.weight", {d});
      layer.mlp_post_norm = need(at + "post_feedforward_layernorm.weight", {d});
    } else {
      layer.mlp_norm = need(at + "post_attention_layernorm.weight", {d});
    }
    layer.w_gate = split(at + "mlp.gate_proj.weight", {a.d_mlp, d}, 0, 1);
    layer.w_in = split(at + "mlp.up_proj.weight", {a.d_mlp, d}, 0, 1);
    layer.w_out = split(at + "mlp.down_proj.weight", {d, a.d_mlp}, 1, 1);
    if (spec.mlp.bias) {
      layer.b_gate = split(at + "mlp.gate_proj.bias", {a.d_mlp}, 0, 1);
      layer.b_in = split(at + "mlp.up_proj.bias", {a.d_mlp}, 0, 1);
      layer.b_out = need(at + "mlp.down_proj.bias", {d});
    }
    all.layers.push_back(layer);
  }
  all.tensors.push_back({all.final_norm, {d}});
  if (!a.head.tied) all.tensors.push_back({all.unembedding, {a.vocab, d}});
  return all;
}

}  // namespace circuit
