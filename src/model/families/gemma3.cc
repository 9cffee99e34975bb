// Gemma 3: norms of q and k, and rotary positions of their own on the layers with a window. `gemma3_text` is the
// language model alone; `gemma3` one with a vision tower, which is neither read nor changed.
#include "core/error.h"
#include "model/families/gemma.h"

namespace circuit {
namespace {

// The rotary positions of one type of layer. Newer files keep one object per type in rope_parameters; older ones
// rope_theta and rope_scaling for the layers without a window, rope_local_base_freq alone for the others. rope_scaling
// beside rope_parameters overrules its keys of the layers without a window, key by key.
RotarySpec read_rotary(const Json& config, const std::string& type, const std::string& place, int64_t d_head) {
  const bool local = type == "sliding_attention";
  RotarySpec rotary;
  rotary.dims = d_head;
  rotary.theta = local ? read_positive(config, "rope_local_base_freq", 1e4, place)
                       : read_positive(config, "rope_theta", 1e6, place);
  const auto newer = config.find("rope_parameters");
  const bool by_type = newer != config.end() && newer->is_object() && newer->contains(type);
  if (!by_type && local) return rotary;
  Json own = config;
  if (by_type) {
    const auto older = config.find("rope_scaling");
    own.erase("rope_scaling");
    own["rope_parameters"] = newer->at(type);
    if (!local && older != config.end() && older->is_object() && own["rope_parameters"].is_object()) {
      own["rope_parameters"].update(*older);
    } else if (!local && older != config.end()) {
      own["rope_scaling"] = *older;
    }
  }
  read_rope_scaling(own, place, &rotary);
  return rotary;
}

// Without the keys that differ between the types of layers.
Json without_rope(Json config) {
  config.erase("rope_parameters");
  config.erase("rope_scaling");
  return config;
}

Architecture read_gemma3_config(const Json& config, const std::string& place) {
  const bool older = config.contains("sliding_window_pattern");
  Architecture a =
      read_gemma(without_rope(config), place, {older ? "sliding_window_pattern" : "_sliding_window_pattern", 6});
  a.family = "gemma3_text";
  const RotarySpec whole = read_rotary(config, "full_attention", place, a.d_head);
  const RotarySpec local = read_rotary(config, "sliding_attention", place, a.d_head);
  for (LayerSpec& kind : a.layer_kinds) {
    kind.attention.qk_norm = true;
    kind.attention.rotary = kind.attention.window ? local : whole;
  }
  if (read_softcap(config, "attn_logit_softcapping", std::nullopt, place)) {
    fail(place, "attn_logit_softcapping: found a number, expected null, as in all published models.");
  }
  a.head.softcap = read_softcap(config, "final_logit_softcapping", std::nullopt, place);
  return a;
}

// What Hugging Face takes where text_config leaves a key out; published files leave out most.
Json with_defaults(const Json& text) {
  Json config = {{"vocab_size", 262208},    {"num_attention_heads", 8}, {"num_key_value_heads", 4},
                 {"head_dim", 256},         {"hidden_size", 2304},      {"intermediate_size", 9216},
                 {"num_hidden_layers", 26}, {"sliding_window", 4096},   {"max_position_embeddings", 131072},
                 {"bos_token_id", 2},       {"eos_token_id", 1}};
  config.update(text);
  return config;
}

Architecture read_config_with_vision(const Json& config, const std::string& place) {
  const auto text = config.find("text_config");
  if (text == config.end() || !text->is_object()) {
    fail(place, "text_config: expected an object, as model_type gemma3 has it.");
  }
  Json language = with_defaults(*text);
  for (const char* key : {"bos_token_id", "eos_token_id", "tie_word_embeddings"}) {
    if (config.contains(key) && !config.at(key).is_null()) language[key] = config.at(key);
  }
  Architecture a = read_gemma3_config(language, place + ", text_config");
  a.family = "gemma3";
  wrap("gemma3", &a);
  return a;
}

Layout layout_with_vision(const Architecture& a) {
  Layout layout = llama_like_layout(a);
  layout.prefix = "language_model.model.";
  layout.head_prefix = "language_model.";
  return layout;
}

}  // namespace

Family gemma3_text_family() { return {"gemma3_text", read_gemma3_config, llama_like_layout}; }
Family gemma3_family() { return {"gemma3", read_config_with_vision, layout_with_vision}; }

}  // namespace circuit
