// StarCoder 2: LayerNorm and biases everywhere, an MLP without a gate.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_starcoder2_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_kv_heads = 2;
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "norm_epsilon";
  like.default_epsilon = 1e-5;
  like.default_activation = "gelu_pytorch_tanh";
  like.gated = false;
  like.default_tied = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "starcoder2";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = optional_bool(config, "use_bias", true, place);
  const auto window = config.find("sliding_window");
  if (window != config.end() && !window->is_null()) {
    layer.attention.window = require_size(config, "sliding_window", place);
  }
  return a;
}

Layout starcoder2_layout(const Architecture& a) {
  LayoutNames names;
  names.in = "mlp.c_fc";
  names.out = "mlp.c_proj";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family starcoder2_family() { return {"starcoder2", read_starcoder2_config, starcoder2_layout}; }

}  // namespace circuit
