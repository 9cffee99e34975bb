// Seed-OSS: Llama with biases of q, k and v.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_seed_oss_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_kv_heads = 8;
  Architecture a = read_llama_like(config, place, like);
  a.family = "seed_oss";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = optional_bool(config, "attention_bias", true, place);
  layer.attention.out_bias = optional_bool(config, "attention_out_bias", false, place);
  layer.mlp.bias = optional_bool(config, "mlp_bias", false, place);
  return a;
}

}  // namespace

Family seed_oss_family() { return {"seed_oss", read_seed_oss_config, llama_like_layout}; }

}  // namespace circuit
