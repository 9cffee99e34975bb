// OLMo: Llama with norms that have no parameters.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_olmo_config(const Json& config, const std::string& place) {
  Json known = config;
  known["layer_norm_eps"] = 1e-5;  // of the code, not of config.json
  LlamaLike like;
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_eps";
  Architecture a = read_llama_like(known, place, like);
  a.family = "olmo";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  read_clip(config, place, &a);
  return a;
}

Layout olmo_layout(const Architecture& a) {
  LayoutNames names;
  names.norm_weights = false;
  return layout_by_names(a, names);
}

}  // namespace

Family olmo_family() { return {"olmo", read_olmo_config, olmo_layout}; }

}  // namespace circuit
