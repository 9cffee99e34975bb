// Llama 1 to 3 (with the llama3 scaling of rotary frequencies): biases when the config says so.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_llama_config(const Json& config, const std::string& place) {
  Architecture a = read_llama_like(config, place);
  a.family = "llama";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  layer.mlp.bias = optional_bool(config, "mlp_bias", false, place);
  return a;
}

}  // namespace

Family llama_family() { return {"llama", read_llama_config, llama_like_layout}; }

}  // namespace circuit
