// GPT-NeoX and Pythia: parallel blocks, LayerNorm, rotary positions on some channels of each head, q, k and v
// head by head in one Linear [H · 3 · d_head, d_model], untied head.
#include "core/error.h"
#include "model/families/family.h"

namespace circuit {
namespace {

RotarySpec read_rotary(const Json& config, const std::string& place, int64_t d_head) {
  RotarySpec rotary;
  const double theta = read_positive(config, "rope_theta", 10000, place);
  rotary.theta = read_positive(config, "rotary_emb_base", theta, place);
  const double share = read_rotary_share(config, optional_number(config, "rotary_pct", 0.25, place), place);
  if (!(share > 0 && share <= 1)) fail(place, "rotary_pct: found {}, expected more than 0 and at most 1.", share);
  rotary.dims = static_cast<int64_t>(static_cast<double>(d_head) * share);
  if (rotary.dims < 2 || rotary.dims % 2 != 0) {
    fail(place, "rotary_pct: {} of a head's {} channels makes {}, expected a positive even number.", share, d_head,
         rotary.dims);
  }
  read_rope_scaling(config, place, &rotary);
  return rotary;
}

Architecture read_gpt_neox_config(const Json& config, const std::string& place) {
  Architecture a;
  a.family = "gpt_neox";
  a.n_layers = require_layers(config, "num_hidden_layers", place);
  a.n_heads = require_size(config, "num_attention_heads", place);
  a.n_kv_heads = a.n_heads;
  a.d_model = require_size(config, "hidden_size", place);
  if (a.d_model % a.n_heads != 0) {
    fail(place, "hidden_size {} is not divisible by num_attention_heads {}.", a.d_model, a.n_heads);
  }
  a.d_head = a.d_model / a.n_heads;
  a.d_mlp = require_size(config, "intermediate_size", place);
  a.vocab = require_size(config, "vocab_size", place);
  a.n_positions = require_size(config, "max_position_embeddings", place);
  a.norm.kind = NormKind::kLayerNorm;
  a.norm.eps = read_epsilon(config, "layer_norm_eps", 1e-5, place);
  LayerSpec& layer = a.every_layer();
  layer.mlp.activation = parse_activation(optional_string(config, "hidden_act", "gelu", place), "hidden_act", place);
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", true, place);
  layer.mlp.bias = true;
  layer.set_parallel(optional_bool(config, "use_parallel_residual", true, place));
  layer.attention.rotary = read_rotary(config, place, a.d_head);
  a.head.tied = optional_bool(config, "tie_word_embeddings", false, place);
  read_token_ids(config, place, &a);
  note_dropout(config, &a);
  return a;
}

Layout gpt_neox_layout(const Architecture& a) {
  const int64_t d = a.d_model;
  const int64_t heads = a.n_heads * a.d_head;
  Layout all;
  all.prefix = "gpt_neox.";
  all.embedding = "embed_in.weight";
  all.unembedding = a.head.tied ? all.embedding : "embed_out.weight";
  all.final_norm = "final_layer_norm.weight";
  all.final_norm_bias = "final_layer_norm.bias";
  const auto need = [&](const std::string& name, std::vector<int64_t> shape) {
    all.tensors.push_back({name, std::move(shape)});
    return name;
  };
  need(all.embedding, {a.vocab, d});
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const std::string at = "layers." + std::to_string(l) + ".";
    const auto channels = [&](const std::string& tensor, int64_t dim, bool matrix) {
      return TensorRef{tensor, dim, 0, 1, 1, a.d_mlp, matrix};
    };
    const AttentionSpec& attention = a.layer(l).attention;
    LayerLayout layer;
    layer.attn_norm = need(at + "input_layernorm.weight", {d});
    layer.attn_norm_bias = need(at + "input_layernorm.bias", {d});
    layer.mlp_norm = need(at + "post_attention_layernorm.weight", {d});
    layer.mlp_norm_bias = need(at + "post_attention_layernorm.bias", {d});
    const std::string weight = need(at + "attention.query_key_value.weight", {3 * heads, d});
    const std::string bias = attention.qkv_bias ? need(at + "attention.query_key_value.bias", {3 * heads}) : "";
    // Rows [H, 3, d_head]: a head's q, k and v follow one another.
    const auto third = [&](const std::string& tensor, int64_t i, bool matrix) {
      return TensorRef{tensor, 0, i * a.d_head, 3 * a.d_head, a.d_head, a.n_heads, matrix};
    };
    layer.w_q = third(weight, 0, true);
    layer.w_k = third(weight, 1, true);
    layer.w_v = third(weight, 2, true);
    layer.b_q = third(bias, 0, false);
    layer.b_k = third(bias, 1, false);
    layer.b_v = third(bias, 2, false);
    layer.w_o = TensorRef{need(at + "attention.dense.weight", {d, heads}), 1, 0, a.d_head, a.d_head, a.n_heads, true};
    if (attention.out_bias) layer.b_o = need(at + "attention.dense.bias", {d});
    layer.w_in = channels(need(at + "mlp.dense_h_to_4h.weight", {a.d_mlp, d}), 0, true);
    layer.b_in = channels(need(at + "mlp.dense_h_to_4h.bias", {a.d_mlp}), 0, false);
    layer.w_out = channels(need(at + "mlp.dense_4h_to_h.weight", {d, a.d_mlp}), 1, true);
    layer.b_out = need(at + "mlp.dense_4h_to_h.bias", {d});
    all.layers.push_back(layer);
  }
  need(all.final_norm, {d});
  need(all.final_norm_bias, {d});
  if (!a.head.tied) need(all.unembedding, {a.vocab, d});
  return all;
}

}  // namespace

Family gpt_neox_family() { return {"gpt_neox", read_gpt_neox_config, gpt_neox_layout}; }

}  // namespace circuit
