// Phi 3: Llama with one tensor for q, k and v and one for the gate and what it gates.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_phi3_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_epsilon = 1e-5;
  like.partial = true;
  // Its first files call longrope otherwise.
  Json whole = config;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto rope = whole.find(key);
    if (rope == whole.end() || !rope->is_object()) continue;
    for (const char* type : {"rope_type", "type"}) {
      if (rope->contains(type) && rope->at(type) == "yarn") (*rope)[type] = "longrope";
    }
  }
  Architecture a = read_llama_like(whole, place, like);
  a.family = "phi3";
  if (auto& longrope = a.every_layer().attention.rotary->longrope) longrope->anew = true;
  const auto window = config.find("sliding_window");
  if (window != config.end() && !window->is_null()) {
    a.every_layer().attention.window = require_size(config, "sliding_window", place);
  }
  return a;
}

Layout phi3_layout(const Architecture& a) {
  LayoutNames names;
  names.qkv = "self_attn.qkv_proj";
  names.gate_in = "mlp.gate_up_proj";
  return layout_by_names(a, names);
}

}  // namespace

Family phi3_family() { return {"phi3", read_phi3_config, phi3_layout}; }

}  // namespace circuit
