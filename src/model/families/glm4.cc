// GLM 4: GLM with a norm after every block too.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_glm4_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_kv_heads = 2;
  like.default_epsilon = 1.5625e-7;
  like.partial = true;
  like.default_share = 0.5;
  like.interleaved = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "glm4";
  a.every_layer().attention.qkv_bias = optional_bool(config, "attention_bias", true, place);
  a.every_layer().norm_outputs();
  return a;
}

Layout glm4_layout(const Architecture& a) {
  LayoutNames names;
  names.gate_in = "mlp.gate_up_proj";
  names.attn_post_norm = "post_self_attn_layernorm";
  names.mlp_post_norm = "post_mlp_layernorm";
  return layout_by_names(a, names);
}

}  // namespace

Family glm4_family() { return {"glm4", read_glm4_config, glm4_layout}; }

}  // namespace circuit
