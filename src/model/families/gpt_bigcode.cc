// GPT-BigCode (StarCoder): GPT-2 with one key and one value for all heads, as Linear [out, in].
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_gpt_bigcode_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.layers = "n_layer";
  like.heads = "n_head";
  like.width = "n_embd";
  like.inner = "n_inner";
  like.inner_is_four_widths = true;
  like.positions = "n_positions";
  like.activation = "activation_function";
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_epsilon";
  like.default_epsilon = 1e-5;
  like.default_activation = "gelu_pytorch_tanh";
  like.gated = false;
  like.rotary = false;
  like.default_tied = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "gpt_bigcode";
  a.embedding.learned_positions = true;
  const bool multi_query = optional_bool(config, "multi_query", true, place);
  a.n_kv_heads = multi_query ? 1 : a.n_heads;
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  if (!optional_bool(config, "scale_attn_weights", true, place)) layer.attention.query_scalar = 1;
  refuse_key(config, "add_cross_attention", place);
  return a;
}

Layout gpt_bigcode_layout(const Architecture& a) {
  LayoutNames names;
  names.prefix = "transformer.";
  names.embedding = "wte";
  names.positions = "wpe";
  names.final_norm = "ln_f";
  names.layer = "h.";
  names.attn_norm = "ln_1";
  names.mlp_norm = "ln_2";
  names.qkv = "attn.c_attn";
  if (a.n_kv_heads == a.n_heads) names.order = FusedOrder::kByHead;
  names.o = "attn.c_proj";
  names.in = "mlp.c_fc";
  names.out = "mlp.c_proj";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family gpt_bigcode_family() { return {"gpt_bigcode", read_gpt_bigcode_config, gpt_bigcode_layout}; }

}  // namespace circuit
