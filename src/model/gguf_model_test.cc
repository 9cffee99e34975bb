#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf_testing.h"
#include "model/forward.h"
#include "model/initialise.h"
#include "model/model.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string gguf_fixture(const std::string& name) { return CIRCUIT_SOURCE_DIR "/tests/gguf/model-" + name + ".gguf"; }
std::string folder_fixture(const std::string& name) { return CIRCUIT_SOURCE_DIR "/tests/families/" + name; }

std::vector<std::string> names_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const TensorEntry& entry : checkpoint.shards().front().header().tensors) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  return names;
}

at::Tensor some_logits(const Model& model) {
  const TokenBatch batch = make_token_batch({{1, 5, 60, 7, 7, 30, 2}}, model.architecture(), at::kCPU);
  return logits_of(model, forward(model, batch, Keep::kNothing).x_final);
}

void expect_same_checkpoint(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(names_of(a), names_of(b));
  for (const std::string& name : names_of(a)) {
    EXPECT_EQ(a.tensor(name).scalar_type(), b.tensor(name).scalar_type()) << name;
    EXPECT_TRUE(at::equal(a.tensor(name), b.tensor(name))) << name;
    EXPECT_EQ(a.sha256(name), b.sha256(name)) << name;
  }
}

class GgufModels : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  const std::string folder_ = testing::TempDir() + "/circuit_gguf_" + std::to_string(getpid());
};

// tools/gguf_models.py paired the rows of q and k as llama.cpp does; qwen3 has a matrix in F16 and one in BF16.
TEST_P(GgufModels, HoldTheTensorsOfTheirDirectory) {
  const Checkpoint gguf = Checkpoint::open(gguf_fixture(GetParam()));
  const Checkpoint directory = Checkpoint::open(folder_fixture(GetParam()));
  EXPECT_EQ(names_of(gguf), names_of(directory));
  int narrow = 0;
  for (const std::string& name : names_of(directory)) {
    const at::Tensor found = gguf.tensor(name);
    narrow += found.scalar_type() != at::kFloat;
    EXPECT_TRUE(at::equal(found, directory.tensor(name).to(found.scalar_type()))) << name;
  }
  EXPECT_EQ(narrow, std::string(GetParam()) == "qwen3" ? 2 : 0);
}

TEST_P(GgufModels, ComputeWhatTheirDirectoryDoes) {
  Model gguf = Model::load(Checkpoint::open(gguf_fixture(GetParam())), {});
  const Checkpoint base = Checkpoint::open(folder_fixture(GetParam()));
  if (std::string(GetParam()) == "llama-3") return;  // its divisors are those of 8,192 positions, the directory's of 16
  std::map<std::string, at::Tensor> parameters;
  for (const auto& [name, tensor] : gguf.parameters()) parameters[name] = tensor;
  const Model directory = Model::over(read_architecture(base.config(), base.config_path()), parameters);
  EXPECT_TRUE(at::equal(some_logits(gguf), some_logits(directory)));
}

TEST_P(GgufModels, AreTheDirectoryThatIsWrittenOfThem) {
  const Checkpoint gguf = Checkpoint::open(gguf_fixture(GetParam()));
  write_checkpoint(gguf, {}, folder_);
  const Checkpoint written = Checkpoint::open(folder_);
  expect_same_checkpoint(gguf, written);
  EXPECT_EQ(gguf.config(), written.config());
  EXPECT_TRUE(at::equal(some_logits(Model::load(gguf, {})), some_logits(Model::load(written, {}))));
}

TEST_P(GgufModels, KeepWhatDidNotChangeWhenTheyAreWritten) {
  const Checkpoint gguf = Checkpoint::open(gguf_fixture(GetParam()));
  const std::string name = "model.layers.1.self_attn.q_proj.weight";
  write_checkpoint(gguf, {{name, gguf.tensor(name) + 1}}, folder_);
  const Checkpoint written = Checkpoint::open(folder_);
  for (const std::string& each : names_of(gguf)) {
    EXPECT_EQ(at::equal(gguf.tensor(each), written.tensor(each)), each != name) << each;
  }
}

TEST_P(GgufModels, StartFromScratchToo) {
  write_initial_checkpoint(gguf_fixture(GetParam()), 3, folder_);
  EXPECT_EQ(names_of(Checkpoint::open(folder_)), names_of(Checkpoint::open(gguf_fixture(GetParam()))));
  EXPECT_EQ(Checkpoint::open(folder_).config(), Checkpoint::open(gguf_fixture(GetParam())).config());
}

INSTANTIATE_TEST_SUITE_P(Fixtures, GgufModels, testing::Values("llama", "llama-3", "qwen2", "qwen3"));

TEST(GgufConfig, FindsLlama3sFourNumbersByItsDivisors) {
  const Json config = Checkpoint::open(gguf_fixture("llama-3")).config();
  EXPECT_EQ(config.at("rope_scaling"), Json({{"rope_type", "llama3"},
                                             {"factor", 8.0},
                                             {"low_freq_factor", 1.0},
                                             {"high_freq_factor", 4.0},
                                             {"original_max_position_embeddings", 8192}}));
}

TEST(GgufConfig, HasTheNumbersThatWereRoundedToFloat32) {
  EXPECT_EQ(Checkpoint::open(gguf_fixture("llama")).config().at("rms_norm_eps"), 1e-6);
  EXPECT_EQ(Checkpoint::open(gguf_fixture("llama")).config().at("rope_theta"), 10000);
}

// A llama of one layer, one head of two channels and three tokens, whose parts a test leaves out or changes.
class WrittenGguf : public testing::Test {
 protected:
  void TearDown() override { fs::remove(path_); }
  static GgufBuilder keys(const std::string& without = "") {
    GgufBuilder b;
    b.text("general.architecture", "llama");
    const auto put = [&](const std::string& key, uint32_t value) {
      if (key != without) b.natural("llama." + key, value);
    };
    put("block_count", 1);
    put("context_length", 8);
    put("embedding_length", 2);
    put("feed_forward_length", 2);
    put("attention.head_count", 1);
    b.number("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    return b;
  }
  static GgufBuilder model(GgufBuilder b, const std::string& without = "") {
    const auto put = [&](const std::string& name, const std::vector<uint64_t>& extents) {
      size_t bytes = 4;
      for (const uint64_t n : extents) bytes *= n;
      if (name != without) b.tensor(name, extents, 0, std::string(bytes, '\0'));
    };
    put("token_embd.weight", {2, 3});
    put("output_norm.weight", {2});
    for (const char* name : {"attn_norm", "ffn_norm"}) put("blk.0." + std::string(name) + ".weight", {2});
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
      put("blk.0." + std::string(name) + ".weight", {2, 2});
    }
    return b;
  }
  std::string refusal(const std::string& bytes) const {
    write_file(path_, bytes);
    try {
      Model::load(Checkpoint::open(path_), {});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  std::string refusal(const GgufBuilder& b) const { return refusal(b.bytes()); }
  const std::string path_ = testing::TempDir() + "/circuit_" + std::to_string(getpid()) + ".gguf";
};

TEST_F(WrittenGguf, LoadsWhenItIsWhole) { EXPECT_EQ(refusal(model(keys())), ""); }

TEST_F(WrittenGguf, RefusesByKey) {
  for (const char* key : {"block_count", "context_length", "embedding_length", "attention.head_count"}) {
    EXPECT_THAT(refusal(model(keys(key))), HasSubstr(std::string("llama.") + key + ": is missing"));
  }
  EXPECT_THAT(refusal(model(GgufBuilder().text("general.architecture", "mamba"))),
              HasSubstr("general.architecture: 'mamba' is not read. Read are llama, qwen2, qwen3"));
  EXPECT_THAT(refusal(model(keys().natural("llama.expert_count", 8))), HasSubstr("llama.expert_count: is not read"));
  EXPECT_EQ(refusal(model(keys().natural("llama.expert_count", 0))), "");
  EXPECT_THAT(refusal(model(keys().number("llama.logit_scale", 2))), HasSubstr("llama.logit_scale: is not read"));
  EXPECT_THAT(refusal(model(keys().natural("llama.rope.dimension_count", 1))),
              HasSubstr("head_dim: found 1"));  // of two channels a pair turns, of one none
  EXPECT_THAT(refusal(model(keys().natural("llama.attention.key_length", 2).natural("llama.rope.dimension_count", 1))),
              HasSubstr("llama.rope.dimension_count: found 1, but heads have 2 channels"));
  EXPECT_THAT(refusal(model(keys().text("llama.rope.scaling.type", "longrope"))),
              HasSubstr("llama.rope.scaling.type: 'longrope' is not read"));
  EXPECT_THAT(refusal(model(keys().natural("split.count", 3))), HasSubstr("split.count: the file is one of 3"));
  EXPECT_THAT(refusal(model(keys("embedding_length").natural("llama.embedding_length", 4))),
              HasSubstr("tensor 'model.embed_tokens.weight': found shape [3, 2]"));
  EXPECT_THAT(refusal(model(keys("block_count").natural("llama.block_count", 2000000000))),
              HasSubstr("num_hidden_layers"));
}

TEST_F(WrittenGguf, RefusesByTensor) {
  EXPECT_THAT(refusal(model(keys(), "token_embd.weight")), HasSubstr("tensor 'token_embd.weight': is missing"));
  EXPECT_THAT(refusal(model(keys(), "blk.0.ffn_up.weight")),
              HasSubstr("tensor 'model.layers.0.mlp.up_proj.weight' is missing"));
  const std::string row(8, '\0');
  for (const char* name : {"blk.1.attn_norm.weight", "blk.0.attn_q_norm.weight"}) {
    EXPECT_THAT(refusal(model(keys()).tensor(name, {2}, 0, row)),
                HasSubstr(std::string("tensor '") + name + "': a model of this architecture"));
  }
  for (const char* name :
       {"blk.00.attn_norm.weight", "blk.0.ssm.weight", "blk..attn_norm.weight", "blk.0", "v.weight"}) {
    EXPECT_THAT(refusal(model(keys()).tensor(name, {2}, 0, row)),
                HasSubstr(std::string("tensor '") + name + "': has no place"));
  }
  EXPECT_THAT(refusal(model(keys()).tensor("rope_freqs.weight", {1}, 0, std::string("\0\0\x40\x41", 4))),
              HasSubstr("tensor 'rope_freqs.weight': its divisors are not those of Llama 3.1"));
}

TEST_F(WrittenGguf, PairsOfBiasesStandInHalvesAgain) {
  const std::vector<float> paired{0, 10, 1, 11};
  std::string bytes(16, '\0');
  std::memcpy(bytes.data(), paired.data(), bytes.size());
  GgufBuilder b = keys("embedding_length");
  b.natural("llama.embedding_length", 4).tensor("token_embd.weight", {4, 3}, 0, std::string(48, '\0'));
  b.tensor("blk.0.attn_q.bias", {4}, 0, bytes);
  write_file(path_, b.bytes());
  const at::Tensor bias = Checkpoint::open(path_).tensor("model.layers.0.self_attn.q_proj.bias");
  EXPECT_TRUE(at::equal(bias, at::tensor({0.0F, 1.0F, 10.0F, 11.0F})));
  b.tensor("blk.0.attn_k.bias", {32}, 8, std::string(34, '\0'));
  EXPECT_THAT(refusal(b), HasSubstr("tensor 'blk.0.attn_k.bias': a bias of type Q8_0 is not read"));
}

TEST_F(WrittenGguf, RefusesEveryTruncation) {
  const std::string whole = model(keys()).bytes();
  const size_t needed = whole.size() - 16;  // what pads the last tensor may be missing
  for (size_t size = 0; size < needed; size += 7) EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
}

TEST_F(WrittenGguf, RefusesWeightsThatAreNotFinite) {
  const std::string infinity = std::string("\0\0\x80\x7F", 4) + std::string(12, '\0');
  EXPECT_THAT(refusal(model(keys(), "blk.0.ffn_up.weight").tensor("blk.0.ffn_up.weight", {2, 2}, 0, infinity)),
              HasSubstr("found Infinity at [0, 0]"));
}

}  // namespace
}  // namespace circuit
