// Nemotron: LayerNorm stored as γ − 1, rotary positions on half of the channels, an MLP of squared ReLUs.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_nemotron_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "norm_eps";
  like.default_epsilon = 1e-5;
  like.default_activation = "relu2";
  like.gated = false;
  like.partial = true;
  like.default_share = 0.5;
  Architecture a = read_llama_like(config, place, like);
  a.family = "nemotron";
  a.norm.offset = 1;
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  layer.mlp.bias = optional_bool(config, "mlp_bias", false, place);
  return a;
}

Layout nemotron_layout(const Architecture& a) {
  LayoutNames names;
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family nemotron_family() { return {"nemotron", read_nemotron_config, nemotron_layout}; }

}  // namespace circuit
