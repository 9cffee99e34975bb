// Phi 3.5 MoE: experts chosen one after another by a sparse mixer, LayerNorm, biases of attention and logits.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_phimoe_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_theta = 1e6;
  like.default_kv_heads = 8;
  like.norm = NormKind::kLayerNorm;
  like.default_epsilon = 1e-5;
  Architecture a = read_llama_like(config, place, like);
  a.family = "phimoe";
  if (auto& longrope = a.every_layer().attention.rotary->longrope) {
    // As transformers: long sequences have another factor, and the divisors of short ones.
    std::string where;
    const Json rope = rope_object(config, place, &where);
    longrope->anew = true;
    longrope->long_factors = longrope->short_factors;
    longrope->attention_factor = read_positive(rope, "short_mscale", 1, where);
    longrope->long_attention_factor = read_positive(rope, "long_mscale", 1, where);
    a.notes.push_back("longrope: the long factors are not used, as in transformers");
  }
  const auto window = config.find("sliding_window");
  if (window != config.end() && !window->is_null()) {
    a.every_layer().attention.window = require_size(config, "sliding_window", place);
  }
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  a.head.bias = optional_bool(config, "lm_head_bias", false, place);
  read_experts(config, place, {}, &a);
  ExpertsSpec& experts = layer.mlp.experts;
  if (experts.chosen != 2) fail(place, "num_experts_per_tok: found {}, expected 2.", experts.chosen);
  experts.router = RouterKind::kSparseMixer;
  experts.jitter = read_positive(config, "router_jitter_noise", 0.01, place);
  return a;
}

Layout phimoe_layout(const Architecture& a) {
  LayoutNames names;
  names.router = "block_sparse_moe.gate";
  names.experts = "block_sparse_moe.experts.";
  names.expert_gate = "w1.weight";
  names.expert_in = "w3.weight";
  names.expert_out = "w2.weight";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family phimoe_family() { return {"phimoe", read_phimoe_config, phimoe_layout}; }

}  // namespace circuit
