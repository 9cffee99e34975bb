// How sequences of a batch end, and that they do not see each other. The families' texts: families/families_test.cc.
#include "model/generate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"

namespace circuit {
namespace {

Architecture tiny() {
  Architecture a;
  a.family = "gpt2";
  a.n_layers = 2;
  a.n_heads = a.n_kv_heads = 4;
  a.d_head = 5;
  a.d_model = 20;
  a.d_mlp = 14;
  a.vocab = 13;
  a.n_positions = 24;
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  a.embedding.learned_positions = a.head.tied = true;
  return a;
}

Model tiny_model(std::vector<int64_t> eos_ids = {}) {
  Architecture a = tiny();
  a.eos_ids = std::move(eos_ids);
  LoadOptions options;
  options.dtype = at::kDouble;
  return Model::random(a, 0.5, 3, options);
}

using Prompts = std::vector<std::vector<int64_t>>;
const Prompts kPrompts{{1, 2, 3}, {4}, {5, 6, 7, 8, 9, 10}, {11, 12}, {0, 3, 9}, {7}, {2, 2}};

std::vector<Generated> sampled(const Model& model, int64_t batch, int64_t max_tokens = 12) {
  GenerateSpec spec;
  spec.max_tokens = max_tokens;
  spec.sampling.temperature = 2;
  spec.sampling.top_k = 9;
  spec.batch = batch;
  return generate(model, kPrompts, spec, Rng(5));
}

TEST(Generate, SamplingDependsOnSeedAndPromptAndOnNoBatch) {
  const Model model = tiny_model({3});
  const std::vector<Generated> one_by_one = sampled(model, 1);
  bool ended = false;
  for (const int64_t batch : {2, 3, 16}) {
    const std::vector<Generated> together = sampled(model, batch);
    for (size_t i = 0; i < kPrompts.size(); ++i) {
      EXPECT_EQ(together[i].ids, one_by_one[i].ids) << batch;
      EXPECT_EQ(together[i].stop, one_by_one[i].stop) << batch;
      ended = ended || together[i].stop == Stop::kEndToken;
    }
  }
  EXPECT_TRUE(ended) << "no slot was used twice";
}

TEST(Generate, AnEndTokenEndsItsOwnSequence) {
  const std::vector<Generated> free = sampled(tiny_model(), 4);
  const std::vector<Generated> found = sampled(tiny_model({3, 6}), 4);
  for (size_t i = 0; i < kPrompts.size(); ++i) {
    const auto is_end = [](int64_t id) { return id == 3 || id == 6; };
    const auto end = std::find_if(free[i].ids.begin(), free[i].ids.end(), is_end);
    const bool ends = end != free[i].ids.end();
    EXPECT_EQ(found[i].ids, std::vector<int64_t>(free[i].ids.begin(), ends ? end + 1 : end)) << i;
    EXPECT_EQ(found[i].stop, ends ? Stop::kEndToken : Stop::kMaxTokens) << i;
  }
}

TEST(Generate, GenerationConfigsEndTokensStandInForTheConfigs) {
  Architecture a = tiny();
  a.eos_ids = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  a.generation_eos_ids = std::vector<int64_t>{};
  const Model none = Model::random(a, 0.5, 3, {});
  EXPECT_EQ(generate(none, {{1}}, GenerateSpec{5}, Rng(1))[0].stop, Stop::kMaxTokens);
  a.generation_eos_ids = std::vector<int64_t>{generate(none, {{1}}, GenerateSpec{1}, Rng(1))[0].ids[0]};
  const Model ends = Model::random(a, 0.5, 3, {});
  EXPECT_EQ(generate(ends, {{1}}, GenerateSpec{5}, Rng(1))[0].ids.size(), 1u);
}

TEST(Generate, TheCallersTestSeesEveryNewTokenOfAPrompt) {
  GenerateSpec spec;
  spec.max_tokens = 9;
  spec.batch = 3;
  std::vector<size_t> calls(kPrompts.size());
  const std::vector<Generated> found =
      generate(tiny_model(), kPrompts, spec, Rng(0), [&](size_t prompt, const std::vector<int64_t>& ids) {
        EXPECT_EQ(ids.size(), ++calls[prompt]);
        return ids.size() == prompt + 1;
      });
  for (size_t i = 0; i < kPrompts.size(); ++i) {
    EXPECT_EQ(found[i].ids.size(), i + 1);
    EXPECT_EQ(found[i].stop, Stop::kCaller);
  }
}

TEST(Generate, EndsAtTheLastLearnedPosition) {
  GenerateSpec spec;
  spec.max_tokens = 100;
  const Prompts prompts{std::vector<int64_t>(20, 1), std::vector<int64_t>(24, 2), {5}};
  const std::vector<Generated> found = generate(tiny_model(), prompts, spec, Rng(0));
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(prompts[i].size() + found[i].ids.size(), 24u);
    EXPECT_EQ(found[i].stop, Stop::kPositions);
  }
}

TEST(Generate, ChecksEveryPromptBeforeAnyWork) {
  const Model model = tiny_model();
  const auto refused = [&](const Prompts& prompts) {
    EXPECT_THROW(generate(model, prompts, {}, Rng(0),
                          [](size_t, const std::vector<int64_t>&) -> bool {
                            ADD_FAILURE() << "worked before it checked";
                            return true;
                          }),
                 Error);
  };
  refused({});
  refused({{1}, {}});
  refused({{1}, {13}});
  refused({{1}, std::vector<int64_t>(25, 1)});
}

TEST(Generate, NoTokensAreAskedForNoneCome) {
  GenerateSpec spec;
  spec.max_tokens = 0;
  EXPECT_TRUE(generate(tiny_model(), {{1, 2}}, spec, Rng(0))[0].ids.empty());
}

}  // namespace
}  // namespace circuit
