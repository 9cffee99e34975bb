// What a config.json may not say.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "io/files.h"
#include "model/families/testing.h"
#include "model/forward.h"
#include "model/tensor_file.h"

namespace circuit {
namespace {

struct Refusal {
  const char* family;
  const char* changes;
  const char* key;  // that the message must name
};
std::ostream& operator<<(std::ostream& out, const Refusal& r) { return out << r.family << " " << r.key; }

class RefusedConfigs : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedConfigs, NameTheKey) {
  const Refusal r = GetParam();
  Json config = config_of({"", r.family, "{}"});
  ASSERT_NO_THROW(read_architecture(config, "config.json"));
  config.merge_patch(Json::parse(r.changes));
  try {
    read_architecture(config, "config.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(r.key), std::string::npos) << error.what();
  }
}

Json tiny_config(const std::string& family) {
  if (family != "gpt2") return config_of({"", family.c_str(), "{}"});
  return {{"model_type", "gpt2"}, {"n_layer", 2},     {"n_head", 2},
          {"n_embd", 8},          {"vocab_size", 11}, {"n_positions", 16}};
}

// transformers 5: rope_scaling or rope_parameters; users are told to add rope_scaling to files that have the other.
TEST(Rope, ScalingOverrulesParameters) {
  const auto rotary = [](const std::string& family, const char* changes) {
    Json config = config_of({"", family.c_str(), "{}"});
    config.merge_patch(Json::parse(changes));
    return *read_architecture(config, "config.json").layer_kinds[0].attention.rotary;
  };
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3", "gemma2", "gpt_neox"}) {
    const RotarySpec both = rotary(family, R"({"rope_parameters": {"rope_type": "default", "rope_theta": 7},
                                               "rope_scaling": {"type": "linear", "factor": 4, "rope_theta": 9}})");
    EXPECT_EQ(both.linear_factor, 4) << family;
    EXPECT_EQ(both.theta, 9) << family;
    EXPECT_EQ(
        rotary(family, R"({"rope_parameters": {}, "rope_scaling": {"type": "linear", "factor": 4}})").linear_factor, 4);
    EXPECT_EQ(rotary(family, R"({"rope_parameters": {"rope_theta": 7}, "rope_scaling": {}})").theta, 7) << family;
  }
  const RotarySpec merged = rotary("gemma3_text", R"({"rope_scaling": {"rope_type": "linear", "factor": 8},
      "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 7},
                          "sliding_attention": {"rope_type": "default", "rope_theta": 3}}})");
  EXPECT_EQ(merged.linear_factor, 8);
  EXPECT_EQ(merged.theta, 7);
}

// Python writes such words, and Hugging Face reads them: only a value that is used matters.
TEST(Configs, NumbersThatAreNotFiniteMatterWhereTheyAreUsed) {
  for (const char* family : {"gpt2", "opt", "llama", "gpt_neox", "gemma2", "qwen3"}) {
    Json config = tiny_config(family);
    config["router_aux_loss_coef"] = std::nan("");
    EXPECT_NO_THROW(read_architecture(config, "config.json")) << family;
  }
  for (const auto& [family, key] : {std::pair{"gpt2", "layer_norm_epsilon"}, std::pair{"llama", "rms_norm_eps"},
                                    std::pair{"gpt_neox", "layer_norm_eps"}, std::pair{"gemma2", "rope_theta"},
                                    std::pair{"gemma2", "query_pre_attn_scalar"}}) {
    Json config = tiny_config(family);
    config[key] = std::nan("");
    try {
      read_architecture(config, "config.json");
      FAIL() << family << " accepts " << key;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(std::string(key) + ": found NaN"), std::string::npos) << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Families, RefusedConfigs,
    testing::Values(
        Refusal{"mistral", R"({"sliding_window": 0})", "sliding_window"},
        Refusal{"mistral", R"({"sliding_window": "all"})", "sliding_window"},
        Refusal{"mistral", R"({"rope_scaling": {"rope_type": "longrope"}})", "short_factor"},
        Refusal{"llama", R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor"},
        Refusal{"mistral", R"({"rope_parameters": {"partial_rotary_factor": 0.5}})", "partial_rotary_factor"},
        Refusal{"qwen2", R"({"layer_types": ["full_attention", "sliding_attention"]})", "layer_types"},
        Refusal{"qwen2", R"({"use_mrope": true})", "use_mrope"},
        Refusal{"gpt_neox", R"({"rotary_pct": 0})", "rotary_pct"},
        Refusal{"gpt_neox", R"({"rotary_pct": 0.4})", "rotary_pct"},
        Refusal{"gpt_neox", R"({"num_attention_heads": 3})", "num_attention_heads"},
        Refusal{"gpt_neox", R"({"hidden_act": "tanh"})", "hidden_act"},
        Refusal{"qwen3", R"({"head_dim": null})", "head_dim"},
        Refusal{"qwen3", R"({"layer_types": ["full_attention", "sliding_attention"]})", "layer_types"},
        Refusal{"qwen3", R"({"num_key_value_heads": 3})", "num_key_value_heads"},
        Refusal{"gemma2", R"({"head_dim": null})", "head_dim"},
        Refusal{"gemma2", R"({"sliding_window": null})", "sliding_window"},
        Refusal{"gemma2", R"({"attn_logit_softcapping": 0})", "attn_logit_softcapping"},
        Refusal{"gemma2", R"({"query_pre_attn_scalar": 0})", "query_pre_attn_scalar"},
        Refusal{"gemma2", R"({"layer_types": ["full_attention"]})", "layer_types"},
        Refusal{"gemma2", R"({"layer_types": ["chunked_attention"]})", "layer_types"},
        Refusal{"gemma3_text", R"({"use_bidirectional_attention": true})", "use_bidirectional_attention"},
        Refusal{"gemma3_text", R"({"sliding_window_pattern": 0})", "sliding_window_pattern"},
        Refusal{"gemma3_text", R"({"attn_logit_softcapping": 50})", "attn_logit_softcapping"},
        Refusal{"gemma3_text", R"({"rope_scaling": {"rope_type": "longrope"}})", "short_factor"},
        Refusal{"gemma3_text", R"({"rope_local_base_freq": 0})", "rope_local_base_freq"},
        Refusal{"gemma3", R"({"text_config": null})", "text_config"},
        Refusal{"gemma3", R"({"text_config": {"num_key_value_heads": 3}})", "num_key_value_heads"},
        Refusal{"llama", R"({"rope_scaling": {"rope_type": "linear"}})", "factor"},
        Refusal{"llama", R"({"rope_scaling": {"factor": 2}})", "rope_type"},
        Refusal{"llama", R"({"rope_scaling": {"rope_type": "linear", "factor": null}})", "factor"},
        Refusal{"llama", R"({"rope_scaling": {"rope_type": "linear", "factor": -2}})", "factor"},
        Refusal{"llama", R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})", "low_freq_factor"},
        Refusal{"llama", R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
                                         "high_freq_factor": 4}})",
                "original_max_position_embeddings"},
        Refusal{"llama", R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
                                         "high_freq_factor": 4, "original_max_position_embeddings": 16}})",
                "high_freq_factor"},
        Refusal{"llama", R"({"rope_scaling": {"rope_type": "yarn"}})", "factor"},
        Refusal{"llama", R"({"rope_parameters": {"rope_theta": 5}, "rope_scaling": {"type": "proportional"}})",
                "proportional"},
        Refusal{"gemma2", R"({"rope_parameters": {"rope_type": "default"},
                                          "rope_scaling": {"rope_type": "proportional", "factor": 2}})",
                "proportional"},
        Refusal{"gemma3_text", R"({"rope_parameters": {"full_attention": {"rope_theta": 5}},
                                               "rope_scaling": {"rope_type": "proportional", "factor": 2}})",
                "proportional"},
        Refusal{"gpt_neox", R"({"rope_parameters": {}, "rope_scaling": {"type": "linear"}})", "factor"},
        Refusal{"llama", R"({"rms_norm_eps": 0})", "rms_norm_eps"},
        Refusal{"qwen2", R"({"rms_norm_eps": -1e-6})", "rms_norm_eps"},
        Refusal{"qwen3", R"({"rms_norm_eps": 1e-60})", "rms_norm_eps"},
        Refusal{"gemma3_text", R"({"rms_norm_eps": 1e300})", "rms_norm_eps"},
        Refusal{"gpt_neox", R"({"layer_norm_eps": -1})", "layer_norm_eps"},
        Refusal{"llama", R"({"rope_theta": 0})", "rope_theta"},
        Refusal{"mistral", R"({"rope_theta": -1})", "rope_theta"},
        Refusal{"gpt_neox", R"({"rotary_emb_base": 0})", "rotary_emb_base"},
        Refusal{"llama", R"({"head_dim": 4611686018427387904})", "head_dim"},
        Refusal{"llama", R"({"head_dim": 18446744073709551615})", "head_dim"},
        Refusal{"llama", R"({"head_dim": null, "hidden_size": 14})", "num_attention_heads"},
        Refusal{"llama", R"({"num_key_value_heads": 0})", "num_key_value_heads"},
        Refusal{"mistral", R"({"sliding_window": 9223372036854775807})", "sliding_window"},
        Refusal{"gemma2", R"({"query_pre_attn_scalar": -1})", "query_pre_attn_scalar"},
        Refusal{"gemma2", R"({"final_logit_softcapping": -1})", "final_logit_softcapping"},
        Refusal{"opt", R"({"do_layer_norm_before": false})", "do_layer_norm_before"},
        Refusal{"opt", R"({"word_embed_proj_dim": 8})", "word_embed_proj_dim"},
        Refusal{"opt", R"({"num_attention_heads": 3})", "num_attention_heads"}));

}  // namespace
}  // namespace circuit
