// What the config.json of a family may not ask for: fixtures of tests/families with one thing changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "model/model.h"

namespace circuit {
namespace {

struct Refused {
  const char* fixture;
  const char* change;  // merged into its config.json
  const char* says;
};
std::ostream& operator<<(std::ostream& out, const Refused& r) { return out << r.fixture << " " << r.says; }

class FamilyRefusals : public testing::TestWithParam<Refused> {};

TEST_P(FamilyRefusals, NameTheKey) {
  const Refused r = GetParam();
  Json config = read_json(std::string(CIRCUIT_SOURCE_DIR) + "/tests/families/" + r.fixture + "/config.json");
  ASSERT_NO_THROW(read_architecture(config, "config.json"));
  config.merge_patch(Json::parse(r.change));
  try {
    read_architecture(config, "config.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(r.says));
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "more than one line";
  }
}

constexpr Refused kRefused[] = {
    {"mixtral", R"({"num_experts_per_tok": 5})",
     "num_experts_per_tok: found 5, expected at most num_local_experts = 4"},
    {"mixtral", R"({"num_experts_per_tok": 0})", "num_experts_per_tok: found 0"},
    {"mixtral", R"({"num_local_experts": 1})", "num_local_experts: found 1, expected at least 2"},
    {"mixtral", R"({"num_local_experts": 2147483647, "num_experts_per_tok": 2})", "are too many"},
    {"qwen2_moe", R"({"shared_expert_intermediate_size": 12})", "shared_expert_intermediate_size: found 12"},
    {"qwen2_moe", R"({"mlp_only_layers": [0, 1]})", "no layer of 2 has experts"},
    {"qwen2_moe", R"({"mlp_only_layers": ["0"]})", "mlp_only_layers: found \"0\""},
    {"qwen3_moe", R"({"decoder_sparse_step": 0})", "decoder_sparse_step: found 0"},
    {"deepseek_v3", R"({"first_k_dense_replace": 2})", "no layer of 2 has experts"},
    {"deepseek_v3", R"({"n_group": 3})", "n_group: found 3"},
    {"deepseek_v3", R"({"n_group": 8})", "n_group: found 8"},
    {"deepseek_v3", R"({"topk_group": 5})", "topk_group: found 5, expected at most n_group = 4"},
    {"deepseek_v3", R"({"num_experts_per_tok": 5})", "num_experts_per_tok: found 5"},
    {"deepseek_v3", R"({"num_key_value_heads": 2})", "num_key_value_heads: found 2"},
    {"deepseek_v3", R"({"scoring_func": "softmax"})", "scoring_func: found 'softmax'"},
    {"deepseek_v3", R"({"moe_layer_freq": 2})", "moe_layer_freq: found 2"},
    {"deepseek_v2", R"({"topk_method": "noaux_tc"})", "topk_method: found 'noaux_tc'"},
    {"deepseek_v2", R"({"norm_topk_prob": true})", "norm_topk_prob"},
    {"olmoe", R"({"clip_qkv": 0})", "clip_qkv: found 0"},
    {"phimoe", R"({"num_experts_per_tok": 3})", "num_experts_per_tok: found 3, expected 2"},
    {"gpt_oss", R"({"swiglu_alpha": 2})", "swiglu_alpha"},
    {"gpt_oss", R"({"layer_types": ["chunked_attention", "full_attention"]})", "layer_types"},
    {"codegen", R"({"n_head": 2})", "n_head: found 2"},
    {"mpt", R"({"attn_config": {"clip_qkv": -3}})", "clip_qkv: found -3"},
    {"mpt", R"({"attn_config": {"alibi": false}})", "alibi"},
    {"mpt", R"({"no_bias": false})", "no_bias"},
    {"bloom", R"({"apply_residual_connection_post_layernorm": true})", "apply_residual_connection_post_layernorm"},
    {"phi3-longrope", R"({"rope_parameters": {"short_factor": [1, 2]}})", "short_factor: expected a list of 3 numbers"},
    {"phi3-longrope", R"({"rope_parameters": {"long_factor": [1, 2, 0]}})", "long_factor: found 0"},
    {"llama-dynamic", R"({"rope_parameters": {"factor": 0}})", "factor: found 0"},
    {"llava", R"({"model_type": "paligemma"})", "does not attend as a language model does"},
    {"llava", R"({"text_config": {"hidden_size": 0}})", "text_config] hidden_size: found 0"},
    {"llava", R"({"text_config": {"model_type": "t5"}})", "model_type 'llava' is not supported"},
    {"llama", R"({"model_type": "mamba"})", "carry a state"},
    {"llama", R"({"model_type": "lfm2"})", "carry a state"},
    {"llama", R"({"model_type": "my_model", "auto_map": {"AutoModel": "a--b.C"}})", "auto_map asks for code"},
    {"llama", R"({"model_type": "deepseek_v4"})", "model_type 'deepseek_v4' is not supported"},
};

INSTANTIATE_TEST_SUITE_P(Changed, FamilyRefusals, testing::ValuesIn(kRefused));

}  // namespace
}  // namespace circuit
