#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/max.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "core/error.h"
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
