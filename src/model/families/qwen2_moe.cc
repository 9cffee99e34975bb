// Qwen 1.5 and 2 MoE: Qwen 2 with experts, and an MLP beside them with a gate of its own.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_config(const Json& config, const std::string& place) {
  Architecture a = read_llama_like(config, place);
  a.family = "qwen2_moe";
  a.every_layer().attention.qkv_bias = optional_bool(config, "qkv_bias", true, place);
  ExpertKeys keys;
  keys.routed = "num_experts";
  keys.default_chosen = 4;
  keys.width = "moe_intermediate_size";
  keys.shared_width = "shared_expert_intermediate_size";
  keys.normalised = "norm_topk_prob";
  read_experts(config, place, keys, &a);
  read_qwen_windows(config, place, &a);
  return a;
}

}  // namespace

Family qwen2_moe_family() { return {"qwen2_moe", read_config, llama_like_layout}; }

}  // namespace circuit
