// Arcee: Llama with an MLP of squared ReLUs.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_arcee_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_epsilon = 1e-5;
  like.default_activation = "relu2";
  like.gated = false;
  Architecture a = read_llama_like(config, place, like);
  a.family = "arcee";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  layer.mlp.bias = optional_bool(config, "mlp_bias", false, place);
  return a;
}

}  // namespace

Family arcee_family() { return {"arcee", read_arcee_config, llama_like_layout}; }

}  // namespace circuit
