// ERNIE 4.5: Llama with interleaved rotary positions.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_ernie4_5_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_theta = 5e5;
  like.default_kv_heads = 2;
  like.default_epsilon = 1e-5;
  like.interleaved = true;
  like.default_tied = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "ernie4_5";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias =
      optional_bool(config, "use_bias", false, place);
  return a;
}

}  // namespace

Family ernie4_5_family() { return {"ernie4_5", read_ernie4_5_config, llama_like_layout}; }

}  // namespace circuit
