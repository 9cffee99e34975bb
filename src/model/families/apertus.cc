// Apertus: Llama with norms of every head's q and k, and an MLP without a gate whose activation has two slopes that are
// learned.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_apertus_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_rope =
      R"({"rope_type": "llama3", "rope_theta": 12e6, "factor": 8, "original_max_position_embeddings": 8192,
          "low_freq_factor": 1, "high_freq_factor": 4})";
  like.default_theta = 12e6;
  like.default_epsilon = 1e-5;
  like.default_activation = "xielu";
  like.gated = false;
  Architecture a = read_llama_like(config, place, like);
  a.family = "apertus";
  LayerSpec& layer = a.every_layer();
  layer.attention.qk_norm = true;
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  refuse_key(config, "post_norm", place);
  return a;
}

Layout apertus_layout(const Architecture& a) {
  LayoutNames names;
  names.attn_norm = "attention_layernorm";
  names.mlp_norm = "feedforward_layernorm";
  return layout_by_names(a, names);
}

}  // namespace

Family apertus_family() { return {"apertus", read_apertus_config, apertus_layout}; }

}  // namespace circuit
