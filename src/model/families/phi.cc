// Phi 1 and 2: attention and MLP read the stream through one norm, rotary positions on some channels, biases
// everywhere, the logits too.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_phi_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_eps";
  like.default_epsilon = 1e-5;
  like.default_activation = "gelu_new";
  like.gated = false;
  like.partial = true;
  like.default_share = 0.5;
  Architecture a = read_llama_like(config, place, like);
  a.family = "phi";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  layer.set_parallel(true);
  a.head.bias = true;
  layer.attention.qk_norm = layer.attention.qk_norm_bias = optional_bool(config, "qk_layernorm", false, place);
  return a;
}

Layout phi_layout(const Architecture& a) {
  LayoutNames names;
  names.final_norm = "final_layernorm";
  names.mlp_norm = "input_layernorm";
  names.q_norm = "self_attn.q_layernorm";
  names.k_norm = "self_attn.k_layernorm";
  names.o = "self_attn.dense";
  names.in = "mlp.fc1";
  names.out = "mlp.fc2";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family phi_family() { return {"phi", read_phi_config, phi_layout}; }

}  // namespace circuit
