// GLM: Llama with interleaved rotary positions on half of the channels, biases of q, k and v, gate and gated in one
// tensor.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_glm_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_kv_heads = 2;
  like.default_epsilon = 1.5625e-7;
  like.partial = true;
  like.default_share = 0.5;
  like.interleaved = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "glm";
  a.every_layer().attention.qkv_bias = optional_bool(config, "attention_bias", true, place);
  return a;
}

Layout glm_layout(const Architecture& a) {
  LayoutNames names;
  names.gate_in = "mlp.gate_up_proj";
  return layout_by_names(a, names);
}

}  // namespace

Family glm_family() { return {"glm", read_glm_config, glm_layout}; }

}  // namespace circuit
