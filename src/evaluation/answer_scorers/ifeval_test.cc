// The four accuracies of instructions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "evaluation/answer_scorer.h"

namespace circuit {
namespace {

constexpr double kInstructionRounding = 1e-12;  // ratios of small integers

AnswerRecord instructed(const std::vector<std::pair<std::string, Json>>& instructions) {
  AnswerRecord record{{0}, "ifeval", {}, {}, "made.jsonl:1"};
  for (const auto& [id, arguments] : instructions) {
    record.instructions.push_back(make_instruction(id, arguments, record.place));
  }
  return record;
}

const Json kNone = Json::object();

TEST(IfevalScorer, CountsPromptsAndInstructionsStrictlyAndLoosely) {
  const AnswerRecord two = instructed({{"punctuation:no_comma", kNone}, {"startend:quotation", kNone}});
  const AnswerRecord one = instructed({{"punctuation:no_comma", kNone}});
  const std::vector<AnswerRecord> records{two, two, one, one};
  // Both; one of two, which loosely are two, without the first line; loosely, without the last line; none.
  const std::vector<std::string> texts{"\"a\"", "Sure, here:\n\"a\"", "a\nb,", ","};
  std::vector<Judgement> judgements;
  for (size_t i = 0; i < records.size(); ++i) {
    judgements.push_back(scorer_of(records[i]).judge(records[i], texts[i]));
  }
  EXPECT_EQ(judgements[0].answer, "");
  EXPECT_EQ(judgements[1].answer, "not kept to: punctuation:no_comma, startend:quotation");
  EXPECT_EQ(judgements[1].marks.at("instruction_loose"), 1);
  Rng rng(1);
  std::map<std::string, double> values;
  for (const Measure& m : scorer_of(one).measures(records, judgements, rng)) {
    values[m.name] = m.value;
    EXPECT_TRUE(m.interval && m.interval->contains(m.value)) << m.name;
  }
  EXPECT_NEAR(values.at("prompt_strict"), 1.0 / 4, kInstructionRounding);
  EXPECT_NEAR(values.at("instruction_strict"), 2.0 / 6, kInstructionRounding);
  EXPECT_NEAR(values.at("prompt_loose"), 3.0 / 4, kInstructionRounding);
  EXPECT_NEAR(values.at("instruction_loose"), 5.0 / 6, kInstructionRounding);
}

TEST(IfevalScorer, AnEmptyTextKeepsToNothing) {
  const AnswerRecord record = instructed({{"punctuation:no_comma", kNone}});
  const Judgement j = scorer_of(record).judge(record, " \n");
  EXPECT_FALSE(j.parsed);
  EXPECT_EQ(j.marks.at("prompt_loose"), 0);
}

TEST(IfevalScorer, NeedsInstructions) {
  const AnswerRecord record{{0}, "ifeval", {}, {}, "made.jsonl:1"};
  try {
    scorer_of(record).check(record);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("[made.jsonl:1] instructions: is missing"));
  }
}

}  // namespace
}  // namespace circuit
