// config.json of every family, for tests.
#pragma once

#include <ostream>
#include <string>

#include "io/json.h"

namespace circuit {

constexpr int64_t kTinyVocab = 17;
constexpr int64_t kTinyMlp = 10;

struct Case {
  const char* name;
  const char* family;
  const char* changes;  // to the family's config.json
};
inline std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

inline Json llama_like(const std::string& family) {
  return {{"model_type", family},          {"num_hidden_layers", 2},   {"num_attention_heads", 4},
          {"num_key_value_heads", 2},      {"hidden_size", 12},        {"head_dim", 6},
          {"intermediate_size", kTinyMlp}, {"vocab_size", kTinyVocab}, {"max_position_embeddings", 32},
          {"tie_word_embeddings", false}};
}

inline Json config_of(const Case& c) {
  const std::string family = c.family;
  Json config = llama_like(family);
  if (family == "qwen2") {
    config.erase("head_dim");
    config["hidden_size"] = 16;
  } else if (family == "gpt_neox") {
    config = {{"model_type", family},          {"num_hidden_layers", 2},
              {"num_attention_heads", 2},      {"hidden_size", 16},
              {"hidden_act", "gelu"},          {"rotary_pct", 0.5},
              {"rotary_emb_base", 100},        {"vocab_size", kTinyVocab},
              {"intermediate_size", kTinyMlp}, {"max_position_embeddings", 32}};
  }
  if (family == "opt") {
    config = {{"model_type", family},      {"num_hidden_layers", 2},       {"num_attention_heads", 2},
              {"hidden_size", 16},         {"ffn_dim", kTinyMlp},          {"vocab_size", kTinyVocab},
              {"word_embed_proj_dim", 16}, {"max_position_embeddings", 32}};
  } else if (family.rfind("gemma", 0) == 0) {
    // Layers of both kinds, and no factor that another family has by default.
    config.update({{"num_hidden_layers", 3}, {"sliding_window", 3}, {"query_pre_attn_scalar", 10}});
    config.erase("tie_word_embeddings");
    if (family != "gemma2") {
      config.update({{"sliding_window_pattern", 2}, {"rope_theta", 1000}, {"rope_local_base_freq", 50}});
    }
    if (family == "gemma3") {
      config["model_type"] = "gemma3_text";
      config = {{"model_type", family}, {"text_config", config}, {"vision_config", Json::object()}};
    }
  }
  config.update(Json::parse(c.changes));
  return config;
}

}  // namespace circuit
