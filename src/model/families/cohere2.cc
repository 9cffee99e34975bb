// Cohere 2: Cohere with a window on three layers of four; the others have no positions.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_cohere2_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_eps";
  like.default_epsilon = 1e-5;
  like.interleaved = true;
  like.default_tied = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "cohere2";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  layer.set_parallel(true);
  a.head.scale = read_positive(config, "logit_scale", 0.0625, place);
  const std::vector<bool> windowed = read_windowed_layers(config, place, a.n_layers, {"sliding_window_pattern", 4});
  set_windows(&a, windowed, optional_size(config, "sliding_window", 4096, place));
  for (LayerSpec& kind : a.layer_kinds) {
    if (!kind.attention.window) kind.attention.rotary.reset();
  }
  return a;
}

Layout cohere2_layout(const Architecture& a) {
  LayoutNames names;
  names.mlp_norm = "input_layernorm";
  return layout_by_names(a, names);
}

}  // namespace

Family cohere2_family() { return {"cohere2", read_cohere2_config, cohere2_layout}; }

}  // namespace circuit
