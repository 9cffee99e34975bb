// Qwen 3: Llama with an RMSNorm over d_head on every head's q and k before the rotation.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_qwen3_config(const Json& config, const std::string& place) {
  require_size(config, "head_dim", place);  // no default: hidden_size / num_attention_heads is another size
  Architecture a = read_llama_like(config, place);
  a.family = "qwen3";
  AttentionSpec& attention = a.every_layer().attention;
  attention.qk_norm = true;
  attention.qkv_bias = attention.out_bias = optional_bool(config, "attention_bias", false, place);
  read_qwen_windows(config, place, &a);
  return a;
}

}  // namespace

Family qwen3_family() { return {"qwen3", read_qwen3_config, llama_like_layout}; }

}  // namespace circuit
