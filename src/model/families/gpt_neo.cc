// GPT-Neo: GPT-2 with separate projections, scores that are not divided by √d_head, and a window on every other layer.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

// attention_types: [[["global", "local"], 12]] means that pattern twelve times; missing: global and local by turns.
std::vector<bool> read_local_layers(const Json& config, const std::string& place, int64_t n_layers) {
  Json types = config.value("attention_types", Json());
  if (types.is_null()) types = {{{"global", "local"}, n_layers / 2}};
  std::vector<bool> local;
  const auto refuse = [&] { fail(place, "attention_types: expected a list of [types, how often]."); };
  if (!types.is_array()) refuse();
  for (const Json& item : types) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_array() || !item[1].is_number_integer()) refuse();
    for (int64_t i = 0; i < item[1].get<int64_t>() && static_cast<int64_t>(local.size()) <= n_layers; ++i) {
      for (const Json& type : item[0]) {
        if (type != "global" && type != "local") fail(place, "attention_types: {} is not supported.", type.dump());
        local.push_back(type == "local");
      }
    }
  }
  if (static_cast<int64_t>(local.size()) != n_layers) {
    fail(place, "attention_types: found {} of them, expected num_layers = {}.", local.size(), n_layers);
  }
  return local;
}

Architecture read_gpt_neo_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.layers = "num_layers";
  like.heads = "num_heads";
  like.inner_is_four_widths = true;
  like.activation = "activation_function";
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_epsilon";
  like.default_epsilon = 1e-5;
  like.default_activation = "gelu_new";
  like.gated = false;
  like.rotary = false;
  like.default_tied = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "gpt_neo";
  a.embedding.learned_positions = true;
  LayerSpec& layer = a.every_layer();
  layer.attention.out_bias = layer.mlp.bias = true;
  layer.attention.query_scalar = 1;
  set_windows(&a, read_local_layers(config, place, a.n_layers), optional_size(config, "window_size", 256, place));
  return a;
}

Layout gpt_neo_layout(const Architecture& a) {
  LayoutNames names;
  names.prefix = "transformer.";
  names.embedding = "wte";
  names.positions = "wpe";
  names.final_norm = "ln_f";
  names.layer = "h.";
  names.attn_norm = "ln_1";
  names.mlp_norm = "ln_2";
  names.q = "attn.attention.q_proj";
  names.k = "attn.attention.k_proj";
  names.v = "attn.attention.v_proj";
  names.o = "attn.attention.out_proj";
  names.in = "mlp.c_fc";
  names.out = "mlp.c_proj";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family gpt_neo_family() { return {"gpt_neo", read_gpt_neo_config, gpt_neo_layout}; }

}  // namespace circuit
