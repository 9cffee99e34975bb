// EXAONE 4: no norm before a block but one after it, norms of q and k; with windows, the layers without one have no
// positions.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_exaone4_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_epsilon = 1e-5;
  Architecture a = read_llama_like(config, place, like);
  a.family = "exaone4";
  LayerSpec& layer = a.every_layer();
  layer.norm_outputs();
  for (BlockSpec& block : layer.blocks) block.pre_norm = false;
  layer.attention.qk_norm = true;
  const auto window = config.find("sliding_window");
  if (window != config.end() && window->is_null()) return a;
  const std::vector<bool> windowed = read_windowed_layers(config, place, a.n_layers, {"sliding_window_pattern", 4});
  set_windows(&a, windowed, optional_size(config, "sliding_window", 4096, place));
  for (LayerSpec& kind : a.layer_kinds) {
    if (!kind.attention.window) kind.attention.rotary.reset();
  }
  return a;
}

Layout exaone4_layout(const Architecture& a) {
  LayoutNames names;
  names.attn_post_norm = "post_attention_layernorm";
  names.mlp_post_norm = "post_feedforward_layernorm";
  return layout_by_names(a, names);
}

}  // namespace

Family exaone4_family() { return {"exaone4", read_exaone4_config, exaone4_layout}; }

}  // namespace circuit
