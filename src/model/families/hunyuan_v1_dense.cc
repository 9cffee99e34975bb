// Hunyuan (dense): Llama with norms of q and k after the rotation.
#include <cmath>

#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_hunyuan_v1_dense_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_epsilon = 1e-5;
  Architecture a = read_llama_like(config, place, like);
  RotarySpec& rotary = *a.every_layer().attention.rotary;
  std::string where;
  const double alpha = optional_number(rope_object(config, place, &where), "alpha", 0, where);
  if (rotary.dynamic && alpha != 0) {
    // theta for alpha times the context, at any length, as transformers has it.
    const auto width = static_cast<double>(a.d_head);
    if (!(alpha > 0)) fail(where, "alpha: found {}, expected more than 0.", alpha);
    rotary.theta *= std::pow(alpha, width / (width - 2));
    rotary.dynamic.reset();
  }
  a.family = "hunyuan_v1_dense";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  layer.attention.qk_norm = layer.attention.rotated_first = true;
  return a;
}

Layout hunyuan_v1_dense_layout(const Architecture& a) {
  LayoutNames names;
  names.q_norm = "self_attn.query_layernorm";
  names.k_norm = "self_attn.key_layernorm";
  return layout_by_names(a, names);
}

}  // namespace

Family hunyuan_v1_dense_family() { return {"hunyuan_v1_dense", read_hunyuan_v1_dense_config, hunyuan_v1_dense_layout}; }

}  // namespace circuit
