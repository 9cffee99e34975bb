// Persimmon: LayerNorm of every head's q and k, q, k and v head by head in one tensor, squared ReLUs, rotary positions
// on some channels, biases.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_persimmon_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_eps";
  like.default_epsilon = 1e-5;
  like.default_activation = "relu2";
  like.gated = false;
  like.partial = true;
  like.default_share = 0.5;
  Json whole = config;
  whole.erase("num_key_value_heads");
  Architecture a = read_llama_like(whole, place, like);
  a.family = "persimmon";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  layer.attention.qk_norm = layer.attention.qk_norm_bias = optional_bool(config, "qk_layernorm", true, place);
  return a;
}

Layout persimmon_layout(const Architecture& a) {
  LayoutNames names;
  names.final_norm = "final_layernorm";
  names.qkv = "self_attn.query_key_value";
  names.order = FusedOrder::kByHead;
  names.q_norm = "self_attn.q_layernorm";
  names.k_norm = "self_attn.k_layernorm";
  names.o = "self_attn.dense";
  names.in = "mlp.dense_h_to_4h";
  names.out = "mlp.dense_4h_to_h";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family persimmon_family() { return {"persimmon", read_persimmon_config, persimmon_layout}; }

}  // namespace circuit
