#include "task/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "task/choice_records.h"
#include "task/minimal_pairs.h"
#include "text/testing.h"

namespace circuit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Two tokenizers: bytes, a token each (GPT-2's way), and one that puts a space before every text (Llama's way).
class Records : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ + "/bytes");
    std::filesystem::create_directories(folder_ + "/spaced");
    write_file(folder_ + "/bytes/tokenizer.json", byte_level_json().dump());
    write_file(folder_ + "/bytes/tokenizer_config.json", R"({"eos_token": "<s>"})");
    write_file(folder_ + "/spaced/tokenizer.json", R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
      "prepend_scheme": "always", "split": true}, "decoder": {"type": "Metaspace", "replacement": "▁",
      "prepend_scheme": "always", "split": true}, "model": {"type": "BPE", "vocab": {"▁": 0, "(": 1, "T": 2, "S": 3,
      "▁T": 4, "▁S": 5, "x": 6, "▁x": 7}, "merges": [["▁", "T"], ["▁", "S"], ["▁", "x"]]}})");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& content, const std::string& name = "d.jsonl") const {
    write_file(folder_ + "/" + name, content);
    return folder_ + "/" + name;
  }
  Dataset read(const std::string& line, const LazyTokenizer& tokenizer, int64_t max_length = 0) const {
    ReadSpec spec;
    spec.begin_token = BeginToken::kNever;
    spec.max_length = max_length;
    return read_dataset(write(line + "\n"), tokenizer, spec);
  }
  std::string refusal(const std::string& line, const LazyTokenizer& tokenizer, int64_t max_length = 0) const {
    try {
      read(line, tokenizer, max_length);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  std::string folder_ = testing::TempDir() + "/circuit_records_" + std::to_string(getpid());
  LazyTokenizer bytes_{folder_ + "/bytes"}, spaced_{folder_ + "/spaced"};
};

TEST_F(Records, AnAnswerIsTheTokenInPlaceWithoutASpaceThatItLacks) {
  const Dataset data = read(R"({"text": "x (", "readouts": [{"correct": "T", "wrong": "S"}]})", spaced_);
  EXPECT_THAT(data.examples[0].readouts[0].correct, ElementsAre(2));
  EXPECT_THAT(data.examples[0].readouts[0].wrong, ElementsAre(3));
  const Dataset spaced = read(R"({"text": "x (", "readouts": [{"correct": " T", "wrong": [" S", "S"]}]})", spaced_);
  EXPECT_THAT(spaced.examples[0].readouts[0].correct, ElementsAre(4));
  EXPECT_THAT(spaced.examples[0].readouts[0].wrong, ElementsAre(5, 3));
  // Behind ids too: those of "x (".
  const Dataset ids = read(R"({"text_ids": [7, 0, 1], "readouts": [{"correct": "T", "wrong": " S"}]})", spaced_);
  EXPECT_THAT(ids.examples[0].readouts[0].correct, ElementsAre(2));
  EXPECT_THAT(ids.examples[0].readouts[0].wrong, ElementsAre(5));
  EXPECT_THAT(refusal(R"({"text": "x (", "readouts": [{"correct": "TS", "wrong": "S"}]})", spaced_),
              testing::AllOf(HasSubstr("d.jsonl:1"), HasSubstr("'T', 'S'")));
}

TEST_F(Records, AnswersAreASetAndNoneIsRightAndWrong) {
  const Dataset data = read(R"({"text": "ab", "readouts": [{"correct": ["c", "c"], "wrong_id": [5, 5, 6]}]})", bytes_);
  EXPECT_THAT(data.examples[0].readouts[0].correct, ElementsAre('c'));
  EXPECT_THAT(data.examples[0].readouts[0].wrong, ElementsAre(5, 6));
  EXPECT_THAT(refusal(R"({"text": "ab", "readouts": [{"correct": ["c", "d"], "wrong": "d"}]})", bytes_),
              testing::AllOf(HasSubstr("d.jsonl:1"), HasSubstr("'correct' and in 'wrong'")));
}

TEST_F(Records, WhatIsGivenTwiceOrReadsNothingIsRefused) {
  EXPECT_THAT(
      refusal(R"({"text": "abc", "readouts": [{"byte": 1, "position": 2, "correct": "c", "wrong": "d"}]})", bytes_),
      HasSubstr("both 'byte' and 'position'"));
  EXPECT_THAT(
      refusal(
          R"({"text": "ab", "readouts": [{"correct": "c", "wrong": "d"}], "counterfactual_readouts": [{"correct": "d", "wrong": "c"}]})",
          bytes_),
      HasSubstr("counterfactual_readouts: the record has no counterfactual"));
  EXPECT_THAT(refusal(R"({"prompt": "", "completion": "a"})", bytes_), HasSubstr("nothing predicts"));
}

// The corrupted side keeps readouts of its own or none: it must not fall back on the text's.
TEST_F(Records, ACutThatTakesTheCorruptedSidesReadoutsTakesTheRecord) {
  const std::string two =
      R"({"text": "abcdefgh", "counterfactual": "abcdefgi", "readouts": [)"
      R"({"position": 2, "correct": "c", "wrong": "d"}, {"position": 3, "correct": "c", "wrong": "d"}], )"
      R"("counterfactual_readouts": [{"position": 6, "correct": "d", "wrong": "c"}, )"
      R"({"position": 3, "correct": "d", "wrong": "c"}]})";
  const Dataset pairs = read(two, bytes_, 5);
  ASSERT_EQ(pairs.examples.size(), 1u);
  EXPECT_EQ(pairs.examples[0].readouts.size(), 1u);
  EXPECT_EQ(pairs.examples[0].counterfactual_readouts.size(), 1u);
  EXPECT_EQ(pairs.examples[0].readouts[0].position, 3);
  EXPECT_EQ(pairs.dropped_readouts, 1);
  const std::string one =
      R"({"text": "abcdefgh", "counterfactual": "abcdefgi", "readouts": [{"position": 2, "correct": "c", )"
      R"("wrong": "d"}], "counterfactual_readouts": [{"position": 6, "correct": "d", "wrong": "c"}]})";
  EXPECT_THAT(refusal(one, bytes_, 5), HasSubstr("no record is left: 1 were shortened to 5"));
}

TEST_F(Records, ACompletionThatTheTokenizerDropsIsRefused) {
  Json tokenizer = byte_level_json();
  tokenizer["normalizer"] = {{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}};
  std::filesystem::create_directories(folder_ + "/strip");
  write_file(folder_ + "/strip/tokenizer.json", tokenizer.dump());
  const LazyTokenizer strip(folder_ + "/strip");
  EXPECT_THAT(refusal(R"({"prompt": "ab", "completion": "  "})", strip),
              testing::AllOf(HasSubstr("d.jsonl:1"), HasSubstr("no token of the text reaches into it")));
  const std::string choices = write(R"({"prompt": "ab", "choices": ["c", "d  "], "answer": 0})");
  EXPECT_NO_THROW(read_choice_records(choices, strip, BeginToken::kNever));
}

TEST_F(Records, AByteOrderMarkMayStandBeforeBlankLines) {
  int64_t records = 0;
  const auto count = [&](const Json&, const std::string& place) {
    EXPECT_EQ(place, "f:3");
    ++records;
  };
  each_json_line("\xEF\xBB\xBF\r\n\n{\"a\": 1}\n", "f", count);
  EXPECT_EQ(records, 1);
}

TEST_F(Records, AFileNamedForRecordsIsNeverText) {
  const std::string pair = R"({"good": "a", "bad": "b"})";
  for (const std::string start : {"", "\xEF\xBB\xBF", "\n\n", "\xEF\xBB\xBF\r\n"}) {
    EXPECT_EQ(file_kind(write(start + pair, "k.jsonl")), FileKind::kMinimalPairs) << start;
  }
  for (const std::string start : {"[", "// note\n", "# note\n", "\"", "\f", "{\n"}) {
    for (const std::string name : {"k.jsonl", "k.JSONL", "k.ndjson", "k.json"}) {
      EXPECT_EQ(file_kind(write(start + pair, name)), FileKind::kExamples) << start << name;
    }
    EXPECT_EQ(file_kind(write(start + pair, "k.txt")), FileKind::kText) << start;
  }
}

// As lm-evaluation-harness: a sentence is a continuation of nothing, for which the begin or the end token stands.
TEST_F(Records, EveryTokenOfAMinimalPairIsScored) {
  const std::string path = write(R"({"good": "ab", "bad": "c"})");
  const std::vector<MinimalPair> pairs = read_minimal_pairs(path, bytes_, BeginToken::kAuto);
  EXPECT_EQ(pairs[0].first_target, 1);
  EXPECT_THAT(pairs[0].good, ElementsAre(testing::Ge(256), 'a', 'b'));
  EXPECT_THAT(pairs[0].bad, ElementsAre(testing::Ge(256), 'c'));
  for (const char* line : {R"({"good": "ab", "bad": "cb"})", R"({"good": "ab", "bad": "a"})"}) {
    write(line);
    EXPECT_THROW(read_minimal_pairs(path, bytes_, BeginToken::kNever), Error) << line;
  }
  write(R"({"good": "ab", "bad": "ac"})");
  EXPECT_THAT(read_minimal_pairs(path, bytes_, BeginToken::kNever)[0].good, ElementsAre('a', 'b'));
}

}  // namespace
}  // namespace circuit
