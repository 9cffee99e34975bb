// StableLM: Llama with LayerNorm and rotary positions on some channels, its blocks one after the other or side by side.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_stablelm_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_eps";
  like.default_epsilon = 1e-5;
  like.partial = true;
  like.default_share = 0.25;
  Architecture a = read_llama_like(config, place, like);
  a.family = "stablelm";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = optional_bool(config, "use_qkv_bias", false, place);
  layer.set_parallel(optional_bool(config, "use_parallel_residual", false, place));
  layer.attention.qk_norm = layer.attention.qk_norm_by_head = optional_bool(config, "qk_layernorm", false, place);
  return a;
}

Layout stablelm_layout(const Architecture& a) {
  LayoutNames names;
  names.mlp_norm = a.layer(0).parallel() ? "input_layernorm" : "post_attention_layernorm";
  names.q_norm = "self_attn.q_layernorm";
  names.k_norm = "self_attn.k_layernorm";
  names.norm_each_head = true;
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family stablelm_family() { return {"stablelm", read_stablelm_config, stablelm_layout}; }

}  // namespace circuit
