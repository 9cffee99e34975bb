// Cohere: attention and MLP read the stream through one norm without a bias, interleaved rotary positions, scaled
// logits.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_cohere_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_theta = 5e5;
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_eps";
  like.default_epsilon = 1e-5;
  like.interleaved = true;
  like.default_tied = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "cohere";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  layer.set_parallel(true);
  a.head.scale = read_positive(config, "logit_scale", 0.0625, place);
  layer.attention.qk_norm = layer.attention.qk_norm_by_head = optional_bool(config, "use_qk_norm", false, place);
  return a;
}

Layout cohere_layout(const Architecture& a) {
  LayoutNames names;
  names.mlp_norm = "input_layernorm";
  return layout_by_names(a, names);
}

}  // namespace

Family cohere_family() { return {"cohere", read_cohere_config, cohere_layout}; }

}  // namespace circuit
