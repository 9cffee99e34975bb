// OLMo 2: no norm before a block but one after it, and one over all of q and one over all of k.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_olmo2_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_epsilon = 1e-5;
  Architecture a = read_llama_like(config, place, like);
  a.family = "olmo2";
  LayerSpec& layer = a.every_layer();
  layer.norm_outputs();
  for (BlockSpec& block : layer.blocks) block.pre_norm = false;
  layer.attention.qk_norm = layer.attention.qk_norm_whole = true;
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  return a;
}

Layout olmo2_layout(const Architecture& a) {
  LayoutNames names;
  names.attn_post_norm = "post_attention_layernorm";
  names.mlp_post_norm = "post_feedforward_layernorm";
  return layout_by_names(a, names);
}

}  // namespace

Family olmo2_family() { return {"olmo2", read_olmo2_config, olmo2_layout}; }

}  // namespace circuit
