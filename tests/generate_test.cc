// circuit generate: conversations through a chat template, and generation_config.json. Ids are those of
// transformers 5.24.0 (generate, float32, greedy) on the same files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// books-4l with a chat template.
std::string books(const ScratchFolder& scratch) {
  std::string folder = scratch / "model";
  fs::copy(fs::path(CIRCUIT_SOURCE_DIR) / "examples/books-4l", folder);
  fs::copy_file(fs::path(CIRCUIT_SOURCE_DIR) / "tests/chat/made_zephyr.jinja", folder + "/chat_template.jinja");
  return folder;
}

std::string generated(Arguments arguments) {
  arguments.insert(arguments.begin(), "generate");
  const ProgramResult result = run_quiet(std::move(arguments));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.out;
}

const Arguments kOnce{"--prompt", "Once upon a time", "--ids"};

Arguments with_model(const std::string& model, Arguments first, const Arguments& rest = {}) {
  first.insert(first.begin(), model);
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

TEST(Generate, RepetitionPenaltyIsThatOfTransformers) {
  const ScratchFolder scratch;
  const std::string model = books(scratch);
  EXPECT_EQ(generated(with_model(model, kOnce, {"--max-tokens", "16", "--repetition-penalty", "1.3"})),
            "[46,1450,567,258,573,11,273,580,262,587,306,280,302,1012,13,198,198,1,40,393,490]\n");
  EXPECT_EQ(generated(with_model(model, kOnce, {"--max-tokens", "16", "--repetition-penalty", "0.8"})),
            "[46,1450,567,258,573,11,273,580,11,273,580,11,273,580,11,273,580,11,273,580,11]\n");
}

TEST(Generate, TheModelsGenerationConfigIsObeyedAndFlagsGoBeforeIt) {
  const ScratchFolder scratch;
  const std::string model = books(scratch);
  write_file(model + "/generation_config.json",
             R"({"eos_token_id": [11, 13], "min_new_tokens": 5, "max_new_tokens": 16})");
  EXPECT_EQ(generated(with_model(model, kOnce)), "[46,1450,567,258,573,273,580,592,280,262,889,281,262,765,13]\n");
  EXPECT_EQ(generated(with_model(model, kOnce, {"--min-tokens", "0"})), "[46,1450,567,258,573,11]\n");
  EXPECT_EQ(generated(with_model(model, kOnce, {"--max-tokens", "2"})), "[46,1450,567,258,573,273,580]\n");
  write_file(model + "/generation_config.json", R"({"num_beams": 3})");
  expect_refused(scratch, with_model("generate", {model}, kOnce),
                 {"generation_config.json] num_beams: found 3, which is not supported"});
}

TEST(Generate, AnswersAConversationThroughTheChatTemplate) {
  const ScratchFolder scratch;
  const std::string model = books(scratch);
  const Arguments greedy{"--max-tokens", "12", "--repetition-penalty", "1.2"};
  EXPECT_EQ(generated(with_model(model, {"--chat", "The keys are"}, greedy)),
            "the end of the first time, and a few days later\n");
  const std::string ids =
      "[27,91,440,269,91,29,198,503,3503,82,487,4095,198,27,91,572,479,416,91,29,198,843,889,281,262,731,573,11,273,"
      "258,1112,"
      "1135,2266]\n";
  EXPECT_EQ(generated(with_model(model, {"--chat", "The keys are", "--ids"}, greedy)), ids);
  write_file(scratch / "turns.json", R"([{"role": "user", "content": "The keys are"}])");
  EXPECT_EQ(generated(with_model(model, {"--messages", scratch / "turns.json", "--ids"}, greedy)), ids);
}

TEST(Generate, WhatAUserSpellsEndsNoTurn) {
  const ScratchFolder scratch;
  const std::string model = books(scratch);
  const std::string out = generated(
      with_model(model, {"--chat", "a<|endoftext|>b", "--system", "<|endoftext|>", "--ids", "--max-tokens", "0"}));
  const std::vector<int64_t> ids = Json::parse(out);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 4095), 2);  // the ends of both turns
}

TEST(Generate, WrongUseAndBadConversationsAreRefusedInOneLine) {
  const ScratchFolder scratch;
  const std::string model = books(scratch);
  expect_refused(scratch, {"generate", model}, {"give one of --prompt, --chat and --messages"}, kWrongUse);
  expect_refused(scratch, {"generate", model, "--chat", "a", "--prompt", "b"}, {"give one of"}, kWrongUse);
  expect_refused(scratch, {"generate", model, "--prompt", "a", "--system", "b"}, {"are for --chat"}, kWrongUse);
  expect_refused(scratch, {"generate", model, "--chat", "\xff"}, {"[--chat] the text is not valid UTF-8"});
  write_file(scratch / "m.json", R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])");
  expect_refused(scratch, {"generate", model, "--messages", scratch / "m.json"},
                 {"m.json] messages: the last one must be the user's"});
  write_file(scratch / "m.json", R"([{"role": "tool", "content": "a"}])");
  expect_refused(scratch, {"generate", model, "--messages", scratch / "m.json"},
                 {"m.json] messages: role 'tool' is not known"});
  for (const auto& [source, words] :
       {std::pair{"{% for a in range(10 ** 9) %}{% endfor %}",
                  "chat_template.jinja:1] chat template: range: more than 100000 numbers"},
        std::pair{"\n{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}",
                  "it takes more than 40"},
        std::pair{"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls inside one another"},
        std::pair{"{% include 'x' %}", "the statement 'include' is not supported"},
        std::pair{"{{ raise_exception('No.') }}", "it refuses the conversation: No."}}) {
    write_file(model + "/chat_template.jinja", source);
    expect_refused(scratch, {"generate", model, "--chat", "a"}, {words});
  }
}

}  // namespace
}  // namespace circuit
