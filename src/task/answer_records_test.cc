// Records of multiple choice and of generation tasks: what is read, what is refused.
#include "task/answer_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "task/choice_records.h"

namespace circuit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Words and letters as tokens; <s> is the begin token where it is asked for.
constexpr const char* kTokenizer = R"({
  "added_tokens": [{"id": 9, "content": "<s>", "special": true}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "\u0120": 3, "\u0120a": 4, "\u0120b": 5, "ab": 6, ":": 7, "\u00c3": 8, "\u00a9": 10},
            "merges": ["\u0120 a", "\u0120 b", "a b"]}})";

class AnswerRecords : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/answer-records-" + std::to_string(getpid());
    make_directories(folder_);
    write_file(folder_ + "/tokenizer.json", kTokenizer);
    write_file(folder_ + "/tokenizer_config.json", R"({"bos_token": "<s>"})");
    tokenizer_.emplace(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& lines) const {
    write_file(folder_ + "/records.jsonl", lines);
    return folder_ + "/records.jsonl";
  }
  std::vector<ChoiceRecord> choices(const std::string& lines, BeginToken begin_token = BeginToken::kNever) const {
    return read_choice_records(file(lines), *tokenizer_, begin_token);
  }
  std::vector<AnswerRecord> answers(const std::string& lines, BeginToken begin_token = BeginToken::kNever) const {
    return read_answer_records(file(lines), *tokenizer_, begin_token);
  }
  template <typename Read>
  void expect_refused(const Read& read, const std::string& words) const {
    try {
      read();
      ADD_FAILURE() << "accepted; expected: " << words;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(words));
      EXPECT_THAT(error.what(), HasSubstr("records.jsonl:"));
    }
  }
  void refused_choice(const std::string& line, const std::string& words) const {
    expect_refused([&] { choices(line); }, words);
  }
  void refused_answer(const std::string& line, const std::string& words) const {
    expect_refused([&] { answers(line); }, words);
  }

  std::string folder_;
  std::optional<LazyTokenizer> tokenizer_;
};

TEST_F(AnswerRecords, AChoiceCountsFromTheFirstTokenThatReachesIntoIt) {
  const auto read = choices(R"({"prompt": "a:", "choices": [" a", " bc", "b"], "answer": 2})");
  ASSERT_EQ(read.size(), 1u);
  EXPECT_THAT(read[0].choices[0].ids, ElementsAre(0, 7, 4));
  EXPECT_THAT(read[0].choices[1].ids, ElementsAre(0, 7, 5, 2));
  EXPECT_EQ(read[0].choices[1].first_target, 2);
  EXPECT_EQ(read[0].answer, 2);
  // A space at the prompt's end is part of the choice's first token.
  EXPECT_THAT(choices(R"({"prompt": "a: ", "choices": ["a", "b"], "answer": 0})")[0].choices[0].ids,
              ElementsAre(0, 7, 4));
  EXPECT_EQ(choices(R"({"prompt": "a: ", "choices": ["a", "b"], "answer": 0})")[0].choices[0].first_target, 2);
  // So is what a merge joins.
  EXPECT_THAT(choices(R"({"prompt": "ca", "choices": ["b", "c"], "answer": 0})")[0].choices[0].ids, ElementsAre(2, 6));
  EXPECT_EQ(choices(R"({"prompt": "ca", "choices": ["b", "c"], "answer": 0})")[0].choices[0].first_target, 1);
}

TEST_F(AnswerRecords, ChoicesMayBeOfAGroup) {
  const auto read = choices(R"({"prompt": "a:", "choices": ["a", "b"], "answer": 0, "group": "letters"})"
                            "\n"
                            R"({"prompt": "a:", "choices": ["a", "b"], "answer": 0})");
  EXPECT_EQ(read[0].group, "letters");
  EXPECT_EQ(read[1].group, "");
  refused_choice(R"({"prompt": "a:", "choices": ["a", "b"], "answer": 0, "group": 1})", "group");
}

TEST_F(AnswerRecords, BytesOfAChoiceLeaveOutTheSpaceBeforeIt) {
  const auto read = choices("{\"prompt\": \"a:\", \"choices\": [\" b c\", \"\xC3\xA9\"], \"answer\": 0}");
  EXPECT_EQ(read[0].choices[0].bytes, 3);
  EXPECT_EQ(read[0].choices[1].bytes, 2) << "bytes, not characters";
}

TEST_F(AnswerRecords, ABeginTokenComesBeforeThePrompt) {
  const auto read = choices(R"({"prompt": "", "choices": ["a", "b"], "answer": 0})", BeginToken::kAlways);
  EXPECT_THAT(read[0].choices[1].ids, ElementsAre(9, 1));
  EXPECT_EQ(read[0].choices[1].first_target, 1);
  EXPECT_THAT(answers(R"({"prompt": "ab", "scorer": "exact", "answers": ["a"]})", BeginToken::kAlways)[0].prompt,
              ElementsAre(9, 6));
}

TEST_F(AnswerRecords, BadChoicesAreRefusedWithTheirLine) {
  refused_choice(R"({"prompt": "c", "choices": ["a"], "answer": 0})", "choices: found 1");
  refused_choice(R"({"prompt": "c", "choices": ["a", " "], "answer": 0})", "one is empty");
  refused_choice(R"({"prompt": "c", "choices": ["a", 1], "answer": 0})", "choices: found a number in it");
  refused_choice(R"({"prompt": "c", "choices": "ab", "answer": 0})", "choices: found a string");
  refused_choice(R"({"prompt": "c", "choices": ["a", "b"], "answer": 2})", "answer: found 2");
  refused_choice(R"({"prompt": "c", "choices": ["a", "b"], "answer": -1})", "answer: found -1");
  refused_choice(R"({"prompt": "c", "choices": ["a", "b"], "answer": "a"})", "answer");
  refused_choice(R"({"prompt": "c", "choices": ["a", "b"]})", "answer");
  refused_choice(R"({"prompt": "", "choices": ["a", "b"], "answer": 0})", "no token comes before");
  refused_choice(R"({"prompt": "c", "choices": ["a", "b"], "answer": 0, "label": 1})", "unknown key 'label'");
}

TEST_F(AnswerRecords, ThePromptIsReadAloneAndTheCompletionIsNot) {
  const auto read =
      answers(R"({"prompt": "a:", "completion": " b", "scorer": "label", "answers": ["b"], "labels": ["a", "b"]})");
  ASSERT_EQ(read.size(), 1u);
  EXPECT_THAT(read[0].prompt, ElementsAre(0, 7));
  EXPECT_EQ(read[0].scorer, "label");
  EXPECT_THAT(read[0].answers, ElementsAre("b"));
  EXPECT_THAT(read[0].labels, ElementsAre("a", "b"));
}

TEST_F(AnswerRecords, BadOnesAreRefusedWithTheirLine) {
  refused_answer(R"({"prompt": "", "scorer": "exact", "answers": ["a"]})", "prompt: is empty");
  refused_answer(R"({"prompt": "a", "scorer": "exact"})", "answers");
  refused_answer(R"({"prompt": "a", "scorer": "exact", "answers": "a"})", "answers: found a string");
  refused_answer(R"({"prompt": "a", "scorer": 1, "answers": []})", "scorer");
  refused_answer(R"({"prompt": "a", "scorer": "exact", "answers": [], "gold": "a"})", "unknown key 'gold'");
  const std::string first = R"({"prompt": "a", "scorer": "exact", "answers": ["a"]})";
  refused_answer(first + "\n" + R"({"prompt": "a", "scorer": "squad", "answers": ["a"]})", "found 'squad'");
  refused_answer(first + "\n" + R"({"prompt": "a", "scorer": "exact", "answers": ["a"], "labels": ["a"]})", "labels:");
}

TEST_F(AnswerRecords, InstructionsStandForAnswers) {
  const auto read = answers(
      R"({"prompt": "a:", "scorer": "ifeval", "instructions": [{"id": "punctuation:no_comma"}, {"id": "keywords:frequency", "keyword": "a", "frequency": 2.0, "relation": "at least"}]})");
  ASSERT_EQ(read[0].instructions.size(), 2u);
  EXPECT_TRUE(read[0].answers.empty());
  EXPECT_EQ(read[0].instructions[1].id, "keywords:frequency");
  EXPECT_EQ(read[0].instructions[1].number("frequency"), 2);
}

TEST_F(AnswerRecords, BadInstructionsAreRefusedWithTheirLine) {
  const auto refused = [&](const std::string& instructions, const std::string& words) {
    refused_answer(R"({"prompt": "a", "scorer": "ifeval", "instructions": )" + instructions + "}", words);
  };
  refused("[]", "instructions: found none");
  refused("[1]", "instructions: found a number in it");
  refused(R"([{"keyword": "a"}])", "id");
  refused(R"([{"id": "keywords:absence"}])", "instruction 'keywords:absence' is not known. Known: keywords:existence");
  refused(R"([{"id": "language:response_language", "language": "de"}])", "needs a model of languages");
  refused(R"([{"id": "keywords:existence"}])", "keywords:existence] keywords: is missing");
  refused(R"([{"id": "keywords:existence", "keywords": []}])", "keywords: found []");
  refused(R"([{"id": "keywords:existence", "keywords": ["a", ""]}])", "keywords: is empty");
  refused(R"([{"id": "punctuation:no_comma", "num_words": 3}])", "num_words: is no argument of this instruction");
  refused(R"([{"id": "detectable_content:number_placeholders", "num_placeholders": 1.5}])", "num_placeholders");
  refused(R"([{"id": "detectable_content:number_placeholders", "num_placeholders": -1}])", "found -1, expected 0");
  refused(R"([{"id": "length_constraints:number_words", "num_words": 3, "relation": "at most"}])", "'at most'");
  refused(R"([{"id": "keywords:letter_frequency", "letter": "ab", "let_frequency": 1, "let_relation": "at least"}])",
          "letter: found 'ab', expected one character");
  refused(
      R"([{"id": "length_constraints:nth_paragraph_first_word", "num_paragraphs": 2, "nth_paragraph": 3, "first_word": "a"}])",
      "nth_paragraph: found 3, expected one of 1 to num_paragraphs, 2");
}

TEST_F(AnswerRecords, TrainingReadsThemAsPromptAndCompletion) {
  const std::string line =
      R"({"prompt": "a:", "completion": " b", "scorer": "label", "answers": ["b"], "labels": ["a", "b"]})";
  const Dataset data = read_dataset(file(line), *tokenizer_, {});
  ASSERT_EQ(data.examples.size(), 1u);
  EXPECT_THAT(data.examples[0].ids, ElementsAre(0, 7, 5));
  EXPECT_EQ(data.examples[0].first_target, 2);
}

TEST_F(AnswerRecords, AFilesKindIsToldByItsFirstRecord) {
  EXPECT_EQ(file_kind(file(R"({"prompt": "a", "choices": [], "answer": 0})")), FileKind::kMultipleChoice);
  EXPECT_EQ(file_kind(file(R"({"prompt": "a", "scorer": "exact", "answers": []})")), FileKind::kAnswers);
  EXPECT_EQ(file_kind(file(R"({"prompt": "a", "completion": "b"})")), FileKind::kExamples);
  EXPECT_EQ(file_kind(file(R"({"good": "a", "bad": "b"})")), FileKind::kMinimalPairs);
}

}  // namespace
}  // namespace circuit
