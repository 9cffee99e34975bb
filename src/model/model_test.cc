#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/max.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "io/files.h"
#include "model/finite.h"
#include "model/forward.h"
#include "model/generate.h"
#include "model/head.h"
#include "model/tensor_file.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// Known answers are float64 or float32 references; float32 sums of this size differ in the fifth decimal.
constexpr double kLogitTolerance = 1e-4;

fs::path shared_models() { return fs::path(CIRCUIT_SOURCE_DIR) / "../shared/data/models"; }

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

std::vector<int64_t> to_ids(const at::Tensor& tensor) {
  const at::Tensor ids = tensor.to(at::kLong).contiguous().view({-1});
  return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
}

class ReferenceLogits : public testing::TestWithParam<const char*> {};

TEST_P(ReferenceLogits, AgreeInFloat32) {
  const fs::path folder = shared_models() / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared is absent";
  const Model model = Model::load(Checkpoint::open(folder.string()), {});
  const TensorFile reference((folder / "reference_first64.safetensors").string());
  const char* ids_name = reference.contains("ids") ? "ids" : "input_ids";
  const TokenBatch batch = make_token_batch({to_ids(reference.tensor(ids_name))}, model.architecture(), at::kCPU);
  const ForwardCache run = forward(model, batch, Keep::kNothing);
  EXPECT_LT(largest_difference(logits_of(model, run.x_final), reference.tensor("logits")), kLogitTolerance);
}
INSTANTIATE_TEST_SUITE_P(Models, ReferenceLogits, testing::Values("stories260K", "slm-4096", "books-4l"));

// A model of one layer with `weights` of every tensor, written to a folder by hand.
class WrittenModel : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_);
    write_file(folder_ + "/config.json", R"({"model_type": "gpt2", "n_layer": 1, "n_head": 2, "n_embd": 4,
        "vocab_size": 300, "n_positions": 8, "eos_token_id": 7})");
    Architecture a = read_architecture(read_json(folder_ + "/config.json"), "config.json");
    const Model model = Model::random(a, 0.3, 1, {});
    for (const auto& [name, tensor] : model.parameters()) tensors_.emplace_back(model.file_name(name), tensor.clone());
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write() const { save_tensors(folder_ + "/model.safetensors", tensors_, {}); }
  Model load(at::ScalarType dtype = at::kFloat) const {
    LoadOptions options;
    options.dtype = dtype;
    return Model::load(Checkpoint::open(folder_), options);
  }
  std::string load_error(at::ScalarType dtype = at::kFloat) const {
    try {
      load(dtype);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  at::Tensor& tensor(const std::string& name) {
    return std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.first == name; })->second;
  }
  std::string folder_ = testing::TempDir() + "/circuit_model_" + std::to_string(getpid());
  NamedTensors tensors_;
};

TEST_F(WrittenModel, WithAWeightThatIsNoNumberIsRefusedByTensor) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const at::ScalarType stored : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
    for (auto& [name, t] : tensors_) t = t.to(stored);
    write();
    EXPECT_EQ(load_error(), "");
    for (const double value : {std::nan(""), inf, -inf}) {
      at::Tensor& embedding = tensor("wte.weight");
      const at::Tensor before = embedding.clone();
      embedding[299][3].fill_(value);  // a row that no text may use
      write();
      EXPECT_NE(load_error().find("tensor 'wte.weight': found "), std::string::npos) << load_error();
      EXPECT_NE(load_error().find("at [299, 3]"), std::string::npos) << load_error();
      embedding = before;
    }
  }
}

TEST_F(WrittenModel, WithAWeightBeyondTheComputationsDtypeIsRefused) {
  tensor("h.0.mlp.c_fc.weight")[0][0].fill_(3.4e38);
  write();
  EXPECT_EQ(load_error(), "");
  EXPECT_NE(load_error(at::kBFloat16).find("as BF16] tensor 'h.0.mlp.c_fc.weight': found Infinity"), std::string::npos);
}

TEST(Finite, TheFirstOfAMillionIsFound) {
  at::Tensor t = at::zeros({1 << 20}, at::kFloat);
  EXPECT_EQ(first_non_finite(t), -1);
  t.fill_(std::numeric_limits<float>::max());
  EXPECT_EQ(first_non_finite(t), -1);
  t[1 << 19].fill_(std::nan(""));
  t[(1 << 19) - 5].fill_(-std::numeric_limits<float>::infinity());
  t[(1 << 20) - 1].fill_(std::nan(""));
  EXPECT_EQ(first_non_finite(t), (1 << 19) - 5);
  EXPECT_EQ(first_non_finite(t.slice(0, 0, 1000)), -1);
}

// The format aligns nothing: Hugging Face's reader takes a header of any length.
TEST_F(WrittenModel, WhoseTensorsAreNotAlignedIsTheSame) {
  write();
  const Model aligned = load();
  const std::string file = folder_ + "/model.safetensors";
  const std::string bytes = read_file(file);
  const auto length = static_cast<unsigned char>(bytes[0]) | static_cast<unsigned char>(bytes[1]) << 8;
  for (const int shift : {1, 2, 3}) {
    std::string moved = bytes;
    moved.insert(8 + static_cast<size_t>(length), static_cast<size_t>(shift), ' ');
    moved[0] = static_cast<char>((length + shift) & 0xFF);
    moved[1] = static_cast<char>((length + shift) >> 8);
    write_file(file, moved);
    const Model model = load();
    for (const auto& [name, t] : model.parameters()) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(t.data_ptr()) % alignof(float), 0u) << name;
      EXPECT_TRUE(t.equal(aligned.parameter(name))) << name;
    }
  }
}

TEST_F(WrittenModel, ReadsTheEndTokensOfItsGenerationConfig) {
  write();
  EXPECT_EQ(load().architecture().stop_ids(), std::vector<int64_t>{7});
  write_file(folder_ + "/generation_config.json", R"({"eos_token_id": [3, 5], "temperature": NaN})");
  EXPECT_EQ(load().architecture().stop_ids(), (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(load().architecture().eos_ids, std::vector<int64_t>{7});
  write_file(folder_ + "/generation_config.json", R"({"do_sample": true})");
  EXPECT_TRUE(load().architecture().stop_ids().empty());
  write_file(folder_ + "/generation_config.json", R"({"eos_token_id": "x"})");
  EXPECT_NE(load_error().find("generation_config.json] eos_token_id: found a string"), std::string::npos);
}

TEST(NanoSort, AgreesWithThePublishedActivations) {
  const fs::path folder = shared_models() / "gpt-nano-sort";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared is absent";
  const Model model = Model::load(Checkpoint::open(folder.string()), {});
  const TensorFile partials((folder / "partials.safetensors").string());
  const at::Tensor idx = partials.tensor("idx");
  std::vector<std::vector<int64_t>> sequences;
  for (int64_t s = 0; s < idx.size(0); ++s) sequences.push_back(to_ids(idx[s]));
  const TokenBatch batch = make_token_batch(sequences, model.architecture(), at::kCPU);
  const ForwardCache run = forward(model, batch, Keep::kBackwardAndNodeOutputs);
  const auto check = [&](const at::Tensor& ours, const char* name) {
    const at::Tensor theirs = partials.tensor(name);
    EXPECT_LT(largest_difference(ours.reshape(theirs.sizes()), theirs), kLogitTolerance) << name;
  };
  check(run.embedding, "tok_emb");
  check(run.layers[0].x_attn, "x");
  check(run.layers[0].attention.probs, "attSm");
  check(run.layers[0].x_mlp, "attnResid");
  check(run.layers[0].mlp.in, "fc");
  check(run.layers[1].x_attn, "block0");
  check(run.layers[2].x_attn, "block1");
  check(run.x_final, "block2");
  check(logits_of(model, run.x_final), "lm_head");
}

TEST(Stories260K, GreedyTextIsTheKnownOne) {
  const fs::path folder = shared_models() / "stories260K";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared is absent";
  const Model model = Model::load(Checkpoint::open(folder.string()), {});
  const Json expected = read_json((folder / "expected_greedy_200.json").string());
  const auto ids = expected.at("greedy_ids").get<std::vector<int64_t>>();
  GenerateSpec spec;
  spec.max_tokens = static_cast<int64_t>(ids.size()) - 1;
  spec.stop_at_eos = false;
  std::vector<int64_t> found = generate(model, {{ids[0]}}, spec, Rng(0))[0].ids;
  found.insert(found.begin(), ids[0]);
  EXPECT_EQ(found, ids);
}

}  // namespace
}  // namespace circuit
