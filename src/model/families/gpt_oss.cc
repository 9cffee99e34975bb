// GPT-OSS: experts with biases, all in one tensor a matrix, gate and up by turns; a sink in every head's soft-max;
// windows by turns.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_gpt_oss_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_theta = 150000;
  like.default_kv_heads = 8;
  like.default_rope =
      R"({"rope_type": "yarn", "factor": 32, "beta_fast": 32, "beta_slow": 1, "truncate": false,
          "original_max_position_embeddings": 4096})";
  like.default_epsilon = 1e-5;
  Architecture a = read_llama_like(config, place, like);
  a.family = "gpt_oss";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", true, place);
  layer.attention.sinks = true;
  layer.mlp.activation = Activation::kSigmoid17;
  layer.mlp.limit = read_positive(config, "swiglu_limit", 7, place);
  layer.mlp.up_offset = 1;
  layer.mlp.bias = true;
  const double slope = optional_number(config, "swiglu_alpha", 1.702, place);
  if (slope != 1.702) fail(place, "swiglu_alpha: found {}, expected 1.702.", slope);
  read_experts(config, place, {}, &a);
  ExpertsSpec& experts = layer.mlp.experts;
  experts.router_bias = experts.out_bias = true;
  // The last channel of each is its gate alone, which the output's bias is of.
  ++experts.width;
  a.d_mlp = experts.count() * experts.width;
  const std::vector<bool> windowed = read_windowed_layers(config, place, a.n_layers, {"", 2});
  set_windows(&a, windowed, optional_size(config, "sliding_window", 128, place));
  return a;
}

Layout gpt_oss_layout(const Architecture& a) {
  LayoutNames names;
  names.router = "mlp.router";
  names.all_gate_in = "mlp.experts.gate_up_proj";
  names.all_out = "mlp.experts.down_proj";
  names.all_transposed = false;
  names.by_turns = true;
  return layout_by_names(a, names);
}

}  // namespace

Family gpt_oss_family() { return {"gpt_oss", read_gpt_oss_config, gpt_oss_layout}; }

}  // namespace circuit
