// What the config.json of a family may not ask for, what it need not say, and what its tensors say instead: fixtures of
// tests/families with one thing changed.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/checkpoint.h"
#include "model/model.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

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
    {"mpt", R"({"attn_config": {"alibi_bias_max": 16}})", "alibi_bias_max: found 16, expected 8"},
    {"mpt", R"({"expansion_ratio": 2})", "expansion_ratio: found 2, expected 4"},
    {"mpt", R"({"no_bias": false})", "no_bias"},
    {"bloom", R"({"slow_but_exact": true, "pretraining_tp": 2})", "slow_but_exact"},
    {"olmo3", R"({"rope_parameters": {"full_attention": null, "sliding_attention": null, "rope_type": "default"}})",
     "an object for each type of layer"},
    {"gpt_oss", R"({"quantization_config": {"quant_method": "mxfp4"}})",
     "quantization_config: the weights are quantised (mxfp4)"},
    {"llava", R"({"text_config": {"quantization_config": {"quant_method": "bitsandbytes"}}})",
     "quantised (bitsandbytes)"},
    {"mistral3", R"({"text_config": {"model_type": "ministral3"}})", "its text part is of model_type 'ministral3'"},
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

Json fixture_config(const std::string& fixture) {
  return read_json(std::string(CIRCUIT_SOURCE_DIR) + "/tests/families/" + fixture + "/config.json");
}

RotarySpec rotary_of(const Json& config) {
  for (const LayerSpec& kind : read_architecture(config, "config.json").layer_kinds) {
    if (kind.attention.rotary) return *kind.attention.rotary;
  }
  return {};
}

// What transformers 5.24's configuration classes take where a file has no key about positions; and with rope_scaling
// alone, which says nothing of theta.
TEST(FamilyDefaults, OfPositionsAreTheFamilysOwn) {
  const std::map<std::string, double> thetas{{"llama", 1e4},    {"mixtral", 1e6},   {"phimoe", 1e6}, {"ernie4_5", 5e5},
                                             {"smollm3", 2e6},  {"olmo3", 5e5},     {"cohere", 5e5}, {"cohere2", 1e4},
                                             {"apertus", 12e6}, {"gpt_oss", 150000}};
  for (const auto& [family, theta] : thetas) {
    SCOPED_TRACE(family);
    Json config = fixture_config(family);
    for (const char* key : {"rope_parameters", "rope_scaling", "rope_theta"}) config.erase(key);
    RotarySpec rotary = rotary_of(config);
    EXPECT_EQ(rotary.theta, theta);
    EXPECT_EQ(rotary.llama3.has_value(), family == "apertus");
    EXPECT_EQ(rotary.yarn.has_value(), family == "gpt_oss");
    if (family == "olmo3") continue;  // its layers differ
    config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4}};
    rotary = rotary_of(config);
    EXPECT_EQ(rotary.theta, theta);
    EXPECT_EQ(rotary.linear_factor, 4);
    EXPECT_FALSE(rotary.llama3 || rotary.yarn);
  }
}

// rope_scaling and rope_theta, where older files have them, are of the layers without a window.
TEST(FamilyDefaults, OlderKeysOfOlmo3AreOfTheWholeLayers) {
  Json config = fixture_config("olmo3");
  config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4}};
  Architecture a = read_architecture(config, "config.json");
  for (const LayerSpec& kind : a.layer_kinds) {
    EXPECT_EQ(kind.attention.rotary->linear_factor, kind.attention.window ? 1 : 4);
  }
  config.erase("rope_parameters");
  config["rope_theta"] = 777;
  a = read_architecture(config, "config.json");
  for (const LayerSpec& kind : a.layer_kinds) {
    EXPECT_EQ(kind.attention.rotary->theta, kind.attention.window ? 5e5 : 777);
  }
}

TEST(FamilyDefaults, OlderNamesOfBloomAreRead) {
  Json config = fixture_config("bloom");
  const Architecture now = read_architecture(config, "config.json");
  for (const auto& [key, older] : {std::pair("hidden_size", "n_embed"), {"n_head", "num_attention_heads"}}) {
    config[older] = config.at(key);
    config.erase(key);
  }
  const Architecture then = read_architecture(config, "config.json");
  EXPECT_EQ(then.d_model, now.d_model);
  EXPECT_EQ(then.n_heads, now.n_heads);
}

// A file whose head differs from its embedding says more than tie_word_embeddings, and one with two equal copies stays
// tied when it is written.
class Tying : public testing::Test {
 protected:
  ~Tying() override {
    for (const char* name : {"equal", "different", "written"}) fs::remove_all(folder_ + name);
  }
  // llama-3's fixture, which is tied, with a head of its own.
  void write(const std::string& name, float added) {
    const std::string from = std::string(CIRCUIT_SOURCE_DIR) + "/tests/families/llama-3";
    fs::remove_all(folder_ + name);
    fs::create_directories(folder_ + name);
    fs::copy(from + "/config.json", folder_ + name + "/config.json");
    const std::string bytes = read_file(from + "/model.safetensors");
    SafetensorsHeader header = parse_safetensors(bytes, from);
    std::string data = bytes.substr(header.tensors.front().begin);
    const auto embedding = std::find_if(header.tensors.begin(), header.tensors.end(),
                                        [](const TensorEntry& t) { return t.name == "model.embed_tokens.weight"; });
    TensorEntry head = *embedding;
    std::string copy = bytes.substr(head.begin, head.size);
    float first = 0;
    std::memcpy(&first, copy.data(), sizeof first);
    first += added;
    std::memcpy(copy.data(), &first, sizeof first);
    head.name = "lm_head.weight";
    header.tensors.push_back(head);
    write_file(folder_ + name + "/model.safetensors",
               safetensors_prefix(header.tensors, header.metadata) + data + copy);
  }
  const std::string folder_ = testing::TempDir() + "/circuit_tying_" + std::to_string(getpid()) + "_";
};

TEST_F(Tying, IsForTheFileToSay) {
  write("equal", 0);
  write("different", 1);
  const Model equal = Model::load(Checkpoint::open(folder_ + "equal"), {});
  EXPECT_TRUE(equal.architecture().head.tied);
  const Model different = Model::load(Checkpoint::open(folder_ + "different"), {});
  EXPECT_FALSE(different.architecture().head.tied);
  EXPECT_THAT(different.architecture().notes,
              testing::Contains(testing::HasSubstr("lm_head.weight is there and differs")));
  EXPECT_NEAR((different.unembedding() - equal.unembedding()).abs().sum().item<float>(), 1, 1e-6);
}

TEST_F(Tying, HoldsInWhatIsWritten) {
  write("equal", 0);
  const Checkpoint base = Checkpoint::open(folder_ + "equal");
  const at::Tensor changed = base.tensor("model.embed_tokens.weight") + 1;
  write_checkpoint(base, {{"model.embed_tokens.weight", changed}}, folder_ + "written");
  const Checkpoint written = Checkpoint::open(folder_ + "written");
  EXPECT_TRUE(at::equal(written.tensor("lm_head.weight"), changed));
  EXPECT_TRUE(Model::load(written, {}).architecture().head.tied);
}

}  // namespace
}  // namespace circuit
