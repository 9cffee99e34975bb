// OLMoE: Llama with experts, and one norm over all of q and one over all of k.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_olmoe_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_epsilon = 1e-5;
  Architecture a = read_llama_like(config, place, like);
  a.family = "olmoe";
  AttentionSpec& attention = a.every_layer().attention;
  attention.qk_norm = attention.qk_norm_whole = true;
  attention.qkv_bias = attention.out_bias = optional_bool(config, "attention_bias", false, place);
  read_clip(config, place, &a);
  ExpertKeys keys;
  keys.routed = "num_experts";
  keys.default_chosen = 8;
  keys.normalised = "norm_topk_prob";
  read_experts(config, place, keys, &a);
  return a;
}

}  // namespace

Family olmoe_family() { return {"olmoe", read_olmoe_config, llama_like_layout}; }

}  // namespace circuit
