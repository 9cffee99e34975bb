#include "model/generation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.h"
#include "io/files.h"

namespace circuit {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class GenerationConfig : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  GenerateChoice choose(const std::string& file, const GenerateWishes& wishes = {}, int64_t prompt = 10) {
    write_file(folder_ + "/generation_config.json", file);
    return choose_generation(folder_, wishes, prompt);
  }
  std::string refusal(const std::string& file) {
    try {
      choose(file);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  std::string folder_ = testing::TempDir() + "/circuit_generation_config_" + std::to_string(getpid());
};

TEST_F(GenerationConfig, WithoutAFileItIsGreedyFor50Tokens) {
  const GenerateChoice choice = choose_generation(folder_, {}, 10);
  EXPECT_EQ(choice.spec.sampling.temperature, 0);
  EXPECT_EQ(choice.spec.max_tokens, 50);
  EXPECT_THAT(choice.from_file, IsEmpty());
  GenerateWishes wishes;
  wishes.temperature = 0.5;
  EXPECT_EQ(choose_generation(folder_, wishes, 10).spec.sampling.top_k, 0);
}

TEST_F(GenerationConfig, AFileThatNamesEndTokensAloneChangesNothingElse) {
  const GenerateChoice choice =
      choose(R"({"eos_token_id": [1, 2], "transformers_version": "4.40.0", "temperature": 0.6})");
  EXPECT_EQ(choice.spec.sampling.temperature, 0);
  EXPECT_EQ(choice.spec.max_tokens, 50);
  EXPECT_THAT(choice.from_file, IsEmpty());
  EXPECT_THAT(choice.unused, IsEmpty());
}

TEST_F(GenerationConfig, DoSampleBringsTheFilesNumbersAndTransformersTopK) {
  const GenerateChoice choice = choose(R"({"do_sample": true, "temperature": 0.6, "top_p": 0.9})");
  EXPECT_EQ(choice.spec.sampling.temperature, 0.6);
  EXPECT_EQ(choice.spec.sampling.top_p, 0.9);
  EXPECT_EQ(choice.spec.sampling.top_k, 50);
  EXPECT_THAT(choice.from_file,
              testing::ElementsAre("sampling", "temperature 0.6", "top-k 50 (transformers' own)", "top-p 0.9"));
  EXPECT_EQ(choose(R"({"do_sample": true, "top_k": 20})").spec.sampling.top_k, 20);
}

TEST_F(GenerationConfig, WishesGoBeforeTheFile) {
  GenerateWishes wishes;
  wishes.temperature = 0;
  wishes.max_tokens = 7;
  const std::string file =
      R"({"do_sample": true, "temperature": 0.6, "max_new_tokens": 99, "repetition_penalty": 1.1})";
  const GenerateChoice greedy = choose(file, wishes);
  EXPECT_EQ(greedy.spec.sampling.temperature, 0);
  EXPECT_EQ(greedy.spec.max_tokens, 7);
  EXPECT_EQ(greedy.spec.sampling.repetition_penalty, 1.1);
  wishes.repetition_penalty = 1;
  wishes.temperature = 2;
  const GenerateChoice warm = choose(file, wishes);
  EXPECT_EQ(warm.spec.sampling.temperature, 2);
  EXPECT_EQ(warm.spec.sampling.repetition_penalty, 1);
}

TEST_F(GenerationConfig, LengthsCountThePromptWhereTheFileSaysSo) {
  EXPECT_EQ(choose(R"({"max_length": 64})").spec.max_tokens, 54);
  EXPECT_EQ(choose(R"({"max_length": 64, "max_new_tokens": 5})").spec.max_tokens, 5);
  EXPECT_EQ(choose(R"({"min_length": 12})").spec.min_tokens, 2);
  EXPECT_EQ(choose(R"({"min_length": 4})").spec.min_tokens, 0);
  EXPECT_EQ(choose(R"({"min_length": 12, "min_new_tokens": 3})").spec.min_tokens, 3);
  EXPECT_THAT(refusal(R"({"max_length": 10})"),
              HasSubstr("max_length: found 10, but the prompt has 10 tokens. Give max_tokens."));
}

TEST_F(GenerationConfig, WhatIsNotDoneHereIsRefusedByName) {
  for (const char* key :
       {R"("num_beams": 4)", R"("no_repeat_ngram_size": 3)", R"("suppress_tokens": [1])", R"("stop_strings": ["a"])",
        R"("penalty_alpha": 0.6)", R"("bad_words_ids": [[1]])", R"("forced_eos_token_id": 2)"}) {
    const std::string name(key + 1, std::string(key).find('"', 1) - 1);
    EXPECT_THAT(refusal(std::string("{") + key + "}"), HasSubstr("generation_config.json] " + name + ": found")) << key;
  }
  EXPECT_THAT(refusal(R"({"do_sample": true, "typical_p": 0.9})"), HasSubstr("typical_p"));
  EXPECT_THAT(refusal(R"({"typical_p": 0.9, "num_beams": 1, "no_repeat_ngram_size": 0, "suppress_tokens": []})"),
              IsEmpty());
  EXPECT_THAT(refusal(R"({"do_sample": true, "temperature": 0})"), HasSubstr("temperature: found 0"));
  EXPECT_THAT(refusal(R"({"do_sample": 1})"), HasSubstr("do_sample: found a number"));
  EXPECT_THAT(refusal(R"({"max_new_tokens": 0})"), HasSubstr("max_new_tokens: found 0"));
  EXPECT_THAT(refusal(R"([1])"), HasSubstr("expected an object"));
}

TEST_F(GenerationConfig, KeysThatNoOneKnowsAreNamed) {
  EXPECT_THAT(choose(R"({"chat_format": "chatml", "use_cache": true, "num_beams": null})").unused,
              testing::ElementsAre("chat_format"));
}

}  // namespace
}  // namespace circuit
