#include "model/initialise.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include <cmath>

#include <filesystem>

#include "io/files.h"
#include "io/json.h"
#include "model/checkpoint.h"
#include "model/model.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

class Initialise : public testing::Test {
 protected:
  Initialise() : folder(fs::temp_directory_path() / ("circuit-initialise-" + std::to_string(getpid()))) {
    fs::create_directories(folder / "source");
    const Json config = {{"model_type", "gpt2"}, {"n_layer", 3},      {"n_head", 4},  {"n_embd", 64},
                         {"vocab_size", 50},     {"n_positions", 16}, {"n_inner", 96}};
    write_file((folder / "source/config.json").string(), config.dump());
    write_file((folder / "source/tokenizer.json").string(), "{}");
  }
  ~Initialise() override { fs::remove_all(folder); }
  Model made(uint64_t seed, const std::string& name) {
    write_initial_checkpoint((folder / "source").string(), seed, (folder / name).string());
    return Model::load(Checkpoint::open((folder / name).string()), {});
  }
  fs::path folder;
};

TEST_F(Initialise, DeviationsAreGpt2s) {
  const Model model = made(1, "a");
  const auto deviation = [&](const std::string& name) { return model.parameter(name).std().item<double>(); };
  // Of n draws, a deviation is within 4 / √(2n) of its value all but once in 16,000 times.
  const auto expect = [&](const std::string& name, double value) {
    const double n = static_cast<double>(model.parameter(name).numel());
    EXPECT_NEAR(deviation(name) / value, 1, 4 / std::sqrt(2 * n)) << name;
    EXPECT_NEAR(model.parameter(name).mean().item<double>(), 0, 4 * value / std::sqrt(n)) << name;
  };
  expect("wte.weight", 0.02);
  expect("h.1.attn.c_attn.weight", 0.02);
  expect("h.1.mlp.c_fc.weight", 0.02);
  expect("h.1.attn.c_proj.weight", 0.02 / std::sqrt(6.0));
  expect("h.2.mlp.c_proj.weight", 0.02 / std::sqrt(6.0));
  EXPECT_TRUE((model.parameter("h.0.ln_1.weight") == 1).all().item<bool>());
  EXPECT_TRUE((model.parameter("h.0.ln_1.bias") == 0).all().item<bool>());
  EXPECT_TRUE((model.parameter("h.0.attn.c_attn.bias") == 0).all().item<bool>());
  EXPECT_TRUE(fs::exists(folder / "a/tokenizer.json"));
}

TEST_F(Initialise, ASeedIsAModel) {
  const Model a = made(7, "a");
  const Model b = made(7, "b");
  const Model c = made(8, "c");
  EXPECT_TRUE(a.parameter("wte.weight").equal(b.parameter("wte.weight")));
  EXPECT_FALSE(a.parameter("wte.weight").equal(c.parameter("wte.weight")));
  EXPECT_FALSE(a.parameter("h.0.mlp.c_fc.weight").equal(a.parameter("h.1.mlp.c_fc.weight")));
}

}  // namespace
}  // namespace circuit
