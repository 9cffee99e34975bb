// Every family against its published formulas, on a directory written as Hugging Face writes it.
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "io/files.h"
#include "model/families/published.h"
#include "model/families/testing.h"
#include "model/forward.h"
#include "model/generate.h"
#include "model/tensor_file.h"

namespace circuit {
namespace {

// Sums of at most 40 products, in another order.
constexpr double kFloat64Tolerance = 1e-9;
constexpr double kFloat32Tolerance = 1e-4;

using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

Shapes neox_shapes(const Json& config) {
  const int64_t d = config.at("hidden_size");
  const bool bias = config.value("attention_bias", true);
  Shapes all;
  const auto add = [&](const std::string& module, std::vector<int64_t> shape, bool with_bias) {
    all.push_back({module + ".weight", shape});
    if (with_bias) all.push_back({module + ".bias", {shape[0]}});
  };
  add("gpt_neox.embed_in", {kTinyVocab, d}, false);
  for (int l = 0; l < config.at("num_hidden_layers"); ++l) {
    const std::string at = "gpt_neox.layers." + std::to_string(l) + ".";
    add(at + "input_layernorm", {d}, true);
    add(at + "post_attention_layernorm", {d}, true);
    add(at + "attention.query_key_value", {3 * d, d}, bias);
    add(at + "attention.dense", {d, d}, bias);
    add(at + "mlp.dense_h_to_4h", {kTinyMlp, d}, true);
    add(at + "mlp.dense_4h_to_h", {d, kTinyMlp}, true);
  }
  add("gpt_neox.final_layer_norm", {d}, true);
  add("embed_out", {kTinyVocab, d}, false);
  return all;
}

Shapes opt_shapes(const Json& config) {
  const int64_t d = config.at("hidden_size");
  Shapes all;
  const auto add = [&](const std::string& module, std::vector<int64_t> shape, bool with_bias) {
    all.push_back({module + ".weight", shape});
    if (with_bias) all.push_back({module + ".bias", {shape[0]}});
  };
  const std::string body = "model.decoder.";
  add(body + "embed_tokens", {kTinyVocab, d}, false);
  add(body + "embed_positions", {34, d}, false);
  add(body + "final_layer_norm", {d}, true);
  for (int l = 0; l < config.at("num_hidden_layers"); ++l) {
    const std::string at = body + "layers." + std::to_string(l) + ".";
    const bool bias = config.value("enable_bias", true);
    for (const char* name : {"k_proj", "v_proj", "q_proj", "out_proj"}) add(at + "self_attn." + name, {d, d}, bias);
    add(at + "self_attn_layer_norm", {d}, true);
    add(at + "fc1", {kTinyMlp, d}, bias);
    add(at + "fc2", {d, kTinyMlp}, bias);
    add(at + "final_layer_norm", {d}, true);
  }
  if (!config.value("tie_word_embeddings", true)) add("lm_head", {kTinyVocab, d}, false);
  return all;
}

Shapes llama_like_shapes(const Json& config, const std::string& body) {
  const std::string family = config.at("model_type");
  const int64_t d = config.at("hidden_size");
  const int64_t heads = config.at("num_attention_heads");
  const int64_t width = config.value("head_dim", d / heads);
  const int64_t kv = config.at("num_key_value_heads").get<int64_t>() * width;
  const bool attention_bias = config.value("attention_bias", false);
  const bool mlp_bias = config.value("mlp_bias", false);
  Shapes all;
  const auto add = [&](const std::string& module, std::vector<int64_t> shape, bool with_bias) {
    all.push_back({module + ".weight", shape});
    if (with_bias) all.push_back({module + ".bias", {shape[0]}});
  };
  const bool gemma = family.rfind("gemma", 0) == 0;
  const bool qk_norm = family == "qwen3" || family == "gemma3_text";
  add(body + "embed_tokens", {kTinyVocab, d}, false);
  for (int l = 0; l < config.at("num_hidden_layers"); ++l) {
    const std::string at = body + "layers." + std::to_string(l) + ".";
    const bool qkv_bias = attention_bias || family == "qwen2";
    add(at + "self_attn.q_proj", {heads * width, d}, qkv_bias);
    add(at + "self_attn.k_proj", {kv, d}, qkv_bias);
    add(at + "self_attn.v_proj", {kv, d}, qkv_bias);
    add(at + "self_attn.o_proj", {d, heads * width}, attention_bias);
    if (qk_norm) add(at + "self_attn.q_norm", {width}, false);
    if (qk_norm) add(at + "self_attn.k_norm", {width}, false);
    add(at + "mlp.gate_proj", {kTinyMlp, d}, mlp_bias);
    add(at + "mlp.up_proj", {kTinyMlp, d}, mlp_bias);
    add(at + "mlp.down_proj", {d, kTinyMlp}, mlp_bias);
    add(at + "input_layernorm", {d}, false);
    add(at + "post_attention_layernorm", {d}, false);
    if (gemma) add(at + "pre_feedforward_layernorm", {d}, false);
    if (gemma) add(at + "post_feedforward_layernorm", {d}, false);
  }
  add(body + "norm", {d}, false);
  if (!config.value("tie_word_embeddings", gemma)) add("lm_head", {kTinyVocab, d}, false);
  return all;
}

Shapes shapes_of(const Json& config) {
  const std::string family = config.at("model_type");
  if (family == "gpt_neox") return neox_shapes(config);
  if (family == "opt") return opt_shapes(config);
  if (family == "gemma3") return llama_like_shapes(config.at("text_config"), "language_model.model.");
  return llama_like_shapes(config, "model.");
}

class PublishedFormulas : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Json config = config_of(GetParam());
    const bool gemma = config.at("model_type").get<std::string>().rfind("gemma", 0) == 0;
    NamedTensors stored;
    std::map<std::string, at::Tensor> wide;
    for (const auto& [name, shape] : shapes_of(config)) {
      Rng rng = Rng(11).split(name);
      const bool gain = shape.size() == 1 && name.find("bias") == std::string::npos;
      const at::Tensor values = at::empty(shape, at::kFloat);
      for (int64_t i = 0; i < values.numel(); ++i) {
        values.data_ptr<float>()[i] = static_cast<float>((gain && !gemma ? 1.0 : 0.0) + 0.4 * rng.normal());
      }
      stored.emplace_back(name, values);
      wide[name] = values.to(at::kDouble);
    }
    folder_ = testing::TempDir() + "/families-" + std::to_string(getpid()) + "-" + GetParam().name;
    make_directories(folder_);
    write_file(folder_ + "/config.json", config.dump());
    save_tensors(folder_ + "/model.safetensors", stored, {});
    published_ = std::make_unique<Published>(config, wide);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Model load(at::ScalarType dtype) const {
    LoadOptions options;
    options.dtype = dtype;
    return Model::load(Checkpoint::open(folder_), options);
  }

  void expect_logits(at::ScalarType dtype, double tolerance) const {
    const Model model = load(dtype);
    // Of two lengths, the longer beyond the window.
    const std::vector<std::vector<int64_t>> sequences{{3, 1, 4, 1, 5, 9, 2, 6, 5}, {16, 0, 7, 7, 12}};
    const TokenBatch batch = make_token_batch(sequences, model.architecture(), at::kCPU);
    for (const Keep keep : {Keep::kNothing, Keep::kBackward}) {
      const at::Tensor found = logits_of(model, forward(model, batch, keep).x_final).to(at::kDouble);
      ASSERT_EQ(found.sizes(), (std::vector<int64_t>{14, kTinyVocab}));
      int64_t r = 0;
      for (const auto& ids : sequences) {
        for (const Vector& row : published_->logits(ids)) {
          for (int64_t i = 0; i < kTinyVocab; ++i) EXPECT_NEAR(found[r][i].item<double>(), row[i], tolerance) << r;
          ++r;
        }
      }
    }
  }

  std::string folder_;
  std::unique_ptr<Published> published_;
};

TEST_P(PublishedFormulas, GiveTheLogitsInFloat64) { expect_logits(at::kDouble, kFloat64Tolerance); }

TEST_P(PublishedFormulas, GiveTheLogitsInFloat32) { expect_logits(at::kFloat, kFloat32Tolerance); }

// Of different lengths, so that their keys stand at different places of the cache.
const std::vector<std::vector<int64_t>>& prompts() {
  static const std::vector<std::vector<int64_t>> all{{2}, {8}, {3, 1, 4, 1, 5}, {13, 2, 14}, {16, 0, 7, 12, 8, 11, 2}};
  return all;
}

std::vector<std::vector<int64_t>> greedy(const Model& model, int64_t tokens, int64_t batch) {
  GenerateSpec spec;
  spec.max_tokens = tokens;
  spec.stop_at_eos = false;
  spec.batch = batch;
  std::vector<std::vector<int64_t>> ids;
  for (Generated& g : generate(model, prompts(), spec, Rng(0))) ids.push_back(std::move(g.ids));
  return ids;
}

// The program keeps keys and values; the formulas start over for every token.
TEST_P(PublishedFormulas, GiveTheGreedyTextOfABatch) {
  constexpr int64_t kTokens = 8;
  std::vector<std::vector<int64_t>> expected;
  std::set<int64_t> chosen;
  for (const std::vector<int64_t>& prompt : prompts()) {
    std::vector<int64_t> ids = prompt;
    for (int64_t i = 0; i < kTokens; ++i) {
      const Vector last = published_->logits(ids).back();
      ids.push_back(std::max_element(last.begin(), last.end()) - last.begin());
      chosen.insert(ids.back());
    }
    expected.emplace_back(ids.end() - kTokens, ids.end());
  }
  EXPECT_EQ(greedy(load(at::kDouble), kTokens, 3), expected);
  EXPECT_GT(chosen.size(), 2u) << "a text this dull shows nothing";
}

// Past the window, and past the room that the cache begins with.
TEST_P(PublishedFormulas, GreedyTextIsTheForwardsAndOfNoBatch) {
  constexpr int64_t kTokens = 25;
  const Model model = load(at::kDouble);
  std::vector<std::vector<int64_t>> expected;
  for (std::vector<int64_t> ids : prompts()) {
    for (int64_t i = 0; i < kTokens; ++i) {
      const TokenBatch batch = make_token_batch({ids}, model.architecture(), at::kCPU);
      const at::Tensor logits = logits_of(model, forward(model, batch, Keep::kNothing).x_final);
      ids.push_back(logits[static_cast<int64_t>(ids.size()) - 1].argmax().item<int64_t>());
    }
    expected.emplace_back(ids.end() - kTokens, ids.end());
  }
  for (const int64_t batch : {1, 2, 4, 16}) EXPECT_EQ(greedy(model, kTokens, batch), expected) << batch;
}

INSTANTIATE_TEST_SUITE_P(
    Families, PublishedFormulas,
    testing::Values(Case{"llama", "llama", "{}"},
                    Case{"llama_biases", "llama", R"({"attention_bias": true, "mlp_bias": true})"},
                    Case{"mistral", "mistral", R"({"sliding_window": null, "rope_theta": 100.0})"},
                    Case{"mistral_window", "mistral", R"({"sliding_window": 3})"},
                    Case{"mistral_window_1", "mistral", R"({"sliding_window": 1})"}, Case{"qwen2", "qwen2", "{}"},
                    Case{"qwen2_tied", "qwen2",
                         R"({"tie_word_embeddings": true, "use_sliding_window": false, "sliding_window": 2,
                             "max_window_layers": 1})"},
                    Case{"gpt_neox", "gpt_neox", "{}"}, Case{"gpt_neox_quarter", "gpt_neox", R"({"rotary_pct": 0.25})"},
                    Case{"gpt_neox_newer_config", "gpt_neox",
                         R"({"rotary_emb_base": null, "rotary_pct": null,
                             "rope_parameters": {"rope_theta": 100, "partial_rotary_factor": 0.25}})"},
                    Case{"gpt_neox_sequential", "gpt_neox",
                         R"({"use_parallel_residual": false, "attention_bias": false})"},
                    Case{"qwen3", "qwen3", "{}"},
                    Case{"qwen3_biases", "qwen3", R"({"attention_bias": true, "tie_word_embeddings": true})"},
                    Case{"gemma2", "gemma2", R"({"attn_logit_softcapping": 1.5, "final_logit_softcapping": 4})"},
                    Case{"gemma2_default_caps", "gemma2", "{}"},
                    Case{"gemma2_uncapped", "gemma2",
                         R"({"attn_logit_softcapping": null, "final_logit_softcapping": null,
                             "attention_bias": true})"},
                    Case{"gemma2_layer_types", "gemma2", R"({"hidden_activation": null, "sliding_window": 2,
                         "layer_types": ["full_attention", "sliding_attention", "full_attention"]})"},
                    Case{"gemma3_text", "gemma3_text", "{}"},
                    Case{"gemma3_text_scaled", "gemma3_text",
                         R"({"sliding_window_pattern": 3, "rope_scaling": {"rope_type": "linear", "factor": 4.0},
                             "final_logit_softcapping": 3, "attn_logit_softcapping": null})"},
                    Case{"gemma3_text_newer_config", "gemma3_text",
                         R"({"layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
                             "rope_parameters": {
                               "full_attention": {"rope_type": "linear", "rope_theta": 500.0, "factor": 2},
                               "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}})"},
                    Case{"gemma3", "gemma3", "{}"}, Case{"opt", "opt", "{}"},
                    Case{"opt_plain", "opt", R"({"enable_bias": false, "tie_word_embeddings": false})"}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace circuit
