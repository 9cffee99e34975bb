// Mixtral: Mistral with experts, of which each token visits two.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_mixtral_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_theta = 1e6;
  like.default_kv_heads = 8;
  like.default_epsilon = 1e-5;
  Architecture a = read_llama_like(config, place, like);
  a.family = "mixtral";
  const auto window = config.find("sliding_window");
  if (window != config.end() && !window->is_null()) {
    a.every_layer().attention.window = require_size(config, "sliding_window", place);
  }
  read_experts(config, place, {}, &a);
  return a;
}

Layout mixtral_layout(const Architecture& a) {
  LayoutNames names;
  names.router = "block_sparse_moe.gate";
  names.experts = "block_sparse_moe.experts.";
  names.expert_gate = "w1.weight";
  names.expert_in = "w3.weight";
  names.expert_out = "w2.weight";
  return layout_by_names(a, names);
}

}  // namespace

Family mixtral_family() { return {"mixtral", read_mixtral_config, mixtral_layout}; }

}  // namespace circuit
