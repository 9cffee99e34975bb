// Everything that encodes text puts the same tokens before it as `tokenize --add-special` does, and scores none of
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "task/answer_records.h"
#include "task/choice_records.h"
#include "task/minimal_pairs.h"
#include "task/records.h"
#include "text/testing.h"

namespace circuit {
namespace {

using testing::ElementsAre;
using Ids = std::vector<int64_t>;

// One token a byte; the post-processor writes <s> 259 and <t> 300 before a text and <t> after it, while the
// configuration calls <u> 301 the begin token.
class BeginTokens : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    Json tokenizer = byte_level_json();
    tokenizer["added_tokens"].push_back({{"id", 300}, {"content", "<t>"}, {"special", true}});
    tokenizer["added_tokens"].push_back({{"id", 301}, {"content", "<u>"}, {"special", true}});
    tokenizer["post_processor"] = parse_json(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
        {"SpecialToken":{"id":"<t>"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"<t>"}}],"pair":[],
        "special_tokens":{"<s>":{"id":"<s>","ids":[259]},"<t>":{"id":"<t>","ids":[300]}}})",
                                             "post");
    write_file(folder_ + "/tokenizer.json", tokenizer.dump());
    write_file(folder_ + "/tokenizer_config.json", R"({"bos_token": "<u>"})");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& content) const {
    write_file(folder_ + "/d.jsonl", content);
    return folder_ + "/d.jsonl";
  }
  std::string folder_ = testing::TempDir() + "/circuit_begin_" + std::to_string(getpid());
  LazyTokenizer tokenizer_{folder_};
};

TEST_F(BeginTokens, OfATextAreThoseOfThePostProcessor) {
  const EncodedText text = encode_text(tokenizer_.get(), "ab", BeginToken::kAuto);
  EXPECT_THAT(text.ids, ElementsAre(259, 300, 'a', 'b'));
  EXPECT_EQ(text.first_target(), 2);
  EXPECT_THAT(tokenizer_.get().encode("ab", SpecialTokens::kAdd), ElementsAre(259, 300, 'a', 'b', 300));
  EXPECT_EQ(encode_text(tokenizer_.get(), "ab", BeginToken::kAlways).ids, text.ids);
  EXPECT_THAT(encode_text(tokenizer_.get(), "ab", BeginToken::kNever).ids, ElementsAre('a', 'b'));
}

TEST_F(BeginTokens, AreNoTargetsOfRecordsAndShiftPositions) {
  const std::string path = write(R"({"text": "abc", "readouts": [{"position": 0, "correct": "a"},
      {"byte": 1, "correct": "b"}, {"correct": "d"}], "spans": {"x": [0, 1]}})"
                                 "\n{\"prompt\": \"a\", \"completion\": \"bc\"}\n");
  std::string one_line = read_file(path);
  one_line.erase(one_line.find('\n'), 1);
  const Dataset data = read_dataset(write(one_line), tokenizer_, {});
  ASSERT_EQ(data.examples.size(), 2u);
  EXPECT_TRUE(data.begin_token);
  const Example& contrast = data.examples[0];
  EXPECT_THAT(contrast.ids, ElementsAre(259, 300, 'a', 'b', 'c'));
  EXPECT_EQ(contrast.first_target, 2);
  EXPECT_EQ(contrast.readouts[0].position, 2);
  EXPECT_EQ(contrast.readouts[1].position, 3);
  EXPECT_EQ(contrast.readouts[2].position, 5);
  EXPECT_EQ(contrast.spans[0].begin, 2);
  EXPECT_EQ(data.examples[1].first_target, 3);
  EXPECT_THROW(read_dataset(write(R"({"text": "abc", "readouts": [{"position": 4, "correct": "a"}]})"), tokenizer_, {}),
               Error);
}

TEST_F(BeginTokens, AreNoTargetsOfPairsAndChoices) {
  const auto pairs = read_minimal_pairs(write(R"({"good": "ab", "bad": "c"})"), tokenizer_, BeginToken::kAuto);
  EXPECT_THAT(pairs[0].good, ElementsAre(259, 300, 'a', 'b'));
  EXPECT_THAT(pairs[0].bad, ElementsAre(259, 300, 'c'));
  EXPECT_EQ(pairs[0].first_target, 2);
  const auto choices = read_choice_records(write(R"({"prompt": "", "choices": ["a", "b"], "answer": 0})"), tokenizer_,
                                           BeginToken::kAuto);
  EXPECT_THAT(choices[0].choices[0].ids, ElementsAre(259, 300, 'a'));
  EXPECT_EQ(choices[0].choices[0].first_target, 2);
  const auto answers = read_answer_records(write(R"({"prompt": "a", "scorer": "number", "answers": ["1"]})"),
                                           tokenizer_, BeginToken::kAuto);
  EXPECT_THAT(answers[0].prompt, ElementsAre(259, 300, 'a'));
}

// A begin token that nothing predicts is the only text token's condition: it may be the first of all.
TEST_F(BeginTokens, OfTheConfigurationStandWhereThePostProcessorWritesNone) {
  Json tokenizer = parse_json(read_file(folder_ + "/tokenizer.json"), "t");
  tokenizer.erase("post_processor");
  write_file(folder_ + "/tokenizer.json", tokenizer.dump());
  EXPECT_THAT(encode_text(tokenizer_.get(), "a", BeginToken::kAuto).ids, ElementsAre('a'));
  EXPECT_THAT(encode_text(tokenizer_.get(), "a", BeginToken::kAlways).ids, ElementsAre(301, 'a'));
}

TEST_F(BeginTokens, AloneAreNoText) { EXPECT_THROW(read_text(write(""), tokenizer_, BeginToken::kAuto), Error); }

}  // namespace
}  // namespace circuit
