// OLMo 3: OLMo 2 with a window on three layers of four; each type of layer has rotary positions of its own.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

constexpr double kDefaultTheta = 5e5;

// rope_parameters holds an object for each type of layer; rope_scaling and rope_theta, in older files, are of the
// layers without a window.
RotarySpec read_rotary_of_type(const Json& config, const std::string& type, const std::string& place,
                               RotarySpec rotary) {
  Json own = config;
  const auto newer = config.find("rope_parameters");
  const bool by_type = newer != config.end() && newer->is_object() && newer->contains(type);
  if (by_type) {
    // rope_scaling overrules its keys of the layers without a window, key by key.
    const auto older = config.find("rope_scaling");
    own["rope_parameters"] = newer->at(type);
    if (older == config.end() || type == "sliding_attention") {
      own.erase("rope_scaling");
    } else if (older->is_object() && own["rope_parameters"].is_object()) {
      own.erase("rope_scaling");
      own["rope_parameters"].update(*older);
    }
  }
  if (!by_type && newer != config.end() && newer->is_object() && !newer->empty()) {
    fail(place, "rope_parameters: expected an object for each type of layer, full_attention and sliding_attention.");
  }
  if (type == "sliding_attention") rotary.theta = kDefaultTheta;
  if (!by_type && type == "sliding_attention") own.erase("rope_scaling");
  read_rope_scaling(own, place, &rotary);
  return rotary;
}

Architecture read_olmo3_config(const Json& config, const std::string& place) {
  Json plain = config;
  for (const char* key : {"rope_parameters", "rope_scaling"}) plain.erase(key);
  LlamaLike like;
  like.default_theta = kDefaultTheta;
  like.default_epsilon = 1e-5;
  Architecture a = read_llama_like(plain, place, like);
  a.family = "olmo3";
  LayerSpec& layer = a.every_layer();
  layer.norm_outputs();
  for (BlockSpec& block : layer.blocks) block.pre_norm = false;
  layer.attention.qk_norm = layer.attention.qk_norm_whole = true;
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  const std::vector<bool> windowed = read_windowed_layers(config, place, a.n_layers, {"", 4});
  set_windows(&a, windowed, optional_size(config, "sliding_window", 4096, place));
  for (LayerSpec& kind : a.layer_kinds) {
    const char* type = kind.attention.window ? "sliding_attention" : "full_attention";
    kind.attention.rotary = read_rotary_of_type(config, type, place, *kind.attention.rotary);
  }
  return a;
}

Layout olmo3_layout(const Architecture& a) {
  LayoutNames names;
  names.attn_post_norm = "post_attention_layernorm";
  names.mlp_post_norm = "post_feedforward_layernorm";
  return layout_by_names(a, names);
}

}  // namespace

Family olmo3_family() { return {"olmo3", read_olmo3_config, olmo3_layout}; }

}  // namespace circuit
