// Qwen 3 MoE: Qwen 3 with experts.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_qwen3_moe_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_kv_heads = 4;
  Architecture a = read_llama_like(config, place, like);
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
  read_dense_layers(config, place, &a);
  // Of every layer, whatever max_window_layers says, as transformers has it.
  if (optional_bool(config, "use_sliding_window", false, place)) {
    set_windows(&a, std::vector<bool>(static_cast<size_t>(a.n_layers), true),
                optional_size(config, "sliding_window", 4096, place));
  }
  return a;
}

}  // namespace

Family qwen3_moe_family() { return {"qwen3_moe", read_qwen3_moe_config, llama_like_layout}; }

}  // namespace circuit
