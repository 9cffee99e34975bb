// Qwen 1.5 and 2 MoE: Qwen 2 with experts, and an MLP beside them with a gate of its own.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_qwen2_moe_config(const Json& config, const std::string& place) {
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
  read_dense_layers(config, place, &a);
  // Without layer_types every other one of the first layers, as transformers has it.
  Json typed = config;
  if (!typed.contains("layer_types") || typed["layer_types"].is_null()) {
    const bool windows = optional_bool(config, "use_sliding_window", false, place);
    const int64_t first = optional_int(config, "max_window_layers", 28, place);
    typed["layer_types"] = Json::array();
    for (int64_t l = 0; l < a.n_layers; ++l) {
      typed["layer_types"].push_back(windows && l % 2 == 0 && l < first ? "sliding_attention" : "full_attention");
    }
  }
  read_qwen_windows(typed, place, &a);
  return a;
}

}  // namespace

Family qwen2_moe_family() { return {"qwen2_moe", read_qwen2_moe_config, llama_like_layout}; }

}  // namespace circuit
