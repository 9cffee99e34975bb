// MPT: ALiBi instead of positions, q, k and v side by side in one tensor, LayerNorm without biases.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

constexpr double kAlibiBias = 8;

// What of attn_config is not supported, by name.
void check_attention(const Json& attention, const std::string& place) {
  for (const char* key : {"qk_ln", "prefix_lm", "attn_uses_sequence_id"}) refuse_key(attention, key, place);
  // transformers' MPT has ALiBi in any case, of this bias.
  if (!optional_bool(attention, "alibi", true, place)) {
    fail(place, "alibi = false is not supported: transformers applies ALiBi all the same.");
  }
  const double bias = read_positive(attention, "alibi_bias_max", kAlibiBias, place);
  if (bias != kAlibiBias) {
    fail(place, "alibi_bias_max: found {}, expected {}: transformers takes no other.", bias, kAlibiBias);
  }
  const std::string type = optional_string(attention, "attn_type", "multihead_attention", place);
  if (type != "multihead_attention") fail(place, "attn_type '{}' is not supported. Known: multihead_attention.", type);
}

Architecture read_mpt_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.layers = "n_layers";
  like.heads = "n_heads";
  like.width = "d_model";
  like.positions = "max_seq_len";
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_epsilon";
  like.default_epsilon = 1e-5;
  like.gated = false;
  like.rotary = false;
  like.default_tied = true;
  Json whole = config;
  const int64_t ratio = optional_size(config, "expansion_ratio", 4, place);
  if (ratio != 4) fail(place, "expansion_ratio: found {}, expected 4: transformers takes no other.", ratio);
  whole["intermediate_size"] = ratio * require_size(config, "d_model", place);
  whole["hidden_act"] = "gelu";
  whole.erase("num_key_value_heads");
  Architecture a = read_llama_like(whole, place, like);
  a.family = "mpt";
  refuse_key(config, "logit_scale", place);
  if (!optional_bool(config, "no_bias", true, place)) fail(place, "no_bias = false is not supported.");
  const Json attention = config.value("attn_config", Json::object());
  if (!attention.is_object()) fail(place, "attn_config: found a {}, expected an object.", attention.type_name());
  const std::string where = place + ", attn_config";
  read_clip(attention, where, &a);
  check_attention(attention, where);
  AttentionSpec& spec = a.every_layer().attention;
  spec.alibi = alibi_slopes(a.n_heads, kAlibiBias, AlibiOrder::kReordered);
  if (attention.contains("softmax_scale") && !attention.at("softmax_scale").is_null()) {
    const double scale = read_positive(attention, "softmax_scale", 1, where);
    spec.query_scalar = 1 / (scale * scale);
  }
  return a;
}

Layout mpt_layout(const Architecture& a) {
  LayoutNames names;
  names.prefix = "transformer.";
  names.embedding = "wte";
  names.final_norm = "norm_f";
  names.layer = "blocks.";
  names.attn_norm = "norm_1";
  names.mlp_norm = "norm_2";
  names.qkv = "attn.Wqkv";
  names.o = "attn.out_proj";
  names.in = "ffn.up_proj";
  names.out = "ffn.down_proj";
  return layout_by_names(a, names);
}

}  // namespace

Family mpt_family() { return {"mpt", read_mpt_config, mpt_layout}; }

}  // namespace circuit
