// Qwen 3 MoE: Qwen 3 with experts.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_config(const Json& config, const std::string& place) {
  Architecture a = read_llama_like(config, place);
  a.family = "qwen3_moe";
  AttentionSpec& attention = a.every_layer().attention;
  attention.qk_norm = true;
  attention.qkv_bias = attention.out_bias = optional_bool(config, "attention_bias", false, place);
  ExpertKeys keys;
  keys.routed = "num_experts";
  keys.default_chosen = 8;
  keys.width = "moe_intermediate_size";
  keys.normalised = "norm_topk_prob";
  read_experts(config, place, keys, &a);
  read_qwen_windows(config, place, &a);
  return a;
}

}  // namespace

Family qwen3_moe_family() { return {"qwen3_moe", read_config, llama_like_layout}; }

}  // namespace circuit
