// Each scorer's rules, on texts made up for them.
#include "evaluation/answer_scorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "evaluation/number_in_text.h"

namespace circuit {
namespace {

using testing::HasSubstr;

// Ratios of small integers.
constexpr double kAnswerRounding = 1e-12;

AnswerRecord record(const std::string& scorer, std::vector<std::string> answers, std::vector<std::string> labels = {}) {
  return {{0}, scorer, std::move(answers), std::move(labels), "made.jsonl:1"};
}

Judgement judge(const AnswerRecord& r, const std::string& text) { return scorer_of(r).judge(r, text); }

std::map<std::string, double> measures_of(const std::vector<AnswerRecord>& records,
                                          const std::vector<std::string>& texts) {
  std::vector<Judgement> judgements;
  for (size_t i = 0; i < records.size(); ++i) judgements.push_back(judge(records[i], texts[i]));
  Rng rng(1);
  std::map<std::string, double> values;
  for (const Measure& m : scorer_of(records[0]).measures(records, judgements, rng)) {
    values[m.name] = m.value;
    EXPECT_TRUE(m.interval && m.interval->contains(m.value)) << m.name;
  }
  return values;
}

void expect_refused(const AnswerRecord& r, const std::string& words) {
  try {
    scorer_of(r).check(r);
    ADD_FAILURE() << "accepted; expected: " << words;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("made.jsonl:1"));
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

TEST(Number, FormsOfOneNumberAreTheSame) {
  for (const char* text :
       {"1234", "1,234", "$1,234", "1234.", "1,234.00", "+1234", "01234", "so 1234 apples", "$ 1,234.0 each."}) {
    EXPECT_EQ(last_number(text), "1234") << text;
  }
  EXPECT_EQ(last_number("12,345,678"), "12345678");
  EXPECT_EQ(last_number("3,4"), "4") << "a list, not thousands";
  EXPECT_EQ(last_number("1,2345"), "2345");
  EXPECT_EQ(last_number("0.50"), "0.5");
  EXPECT_EQ(last_number(".5"), "0.5");
  EXPECT_EQ(last_number("-0.0"), "0");
  EXPECT_EQ(last_number("no number"), std::nullopt);
}

TEST(Number, AMinusIsASignUnlessSomethingStandsBeforeIt) {
  EXPECT_EQ(last_number("it is -5"), "-5");
  EXPECT_EQ(last_number("-$5"), "-5");
  EXPECT_EQ(last_number("$-5"), "-5");
  EXPECT_EQ(last_number("10-5"), "5");
  EXPECT_EQ(last_number("(10)-5"), "5");
  EXPECT_EQ(last_number("x-5"), "5");
  EXPECT_EQ(last_number("10 - 5"), "5");
}

TEST(Number, TheFirstMarkerWithANumberCounts) {
  EXPECT_EQ(marked_number("2+2=4\n#### 4\n\nQuestion: 9? #### 81"), "4");
  EXPECT_EQ(marked_number("####\n #### $7."), "7");
  EXPECT_EQ(marked_number("#### none, then 4"), std::nullopt);
  EXPECT_EQ(marked_number("#####3"), "3");
}

TEST(NumberScorer, TakesTheMarkedNumberElseTheLast) {
  const AnswerRecord r = record("number", {"She has 3 left. #### 1,072"});
  EXPECT_NO_THROW(scorer_of(r).check(r));
  EXPECT_EQ(judge(r, " 5 and 6\n#### 1072.\n 99").marks,
            (std::map<std::string, double>{{"accuracy", 1}, {"accuracy_marked", 1}}));
  EXPECT_EQ(judge(r, "so it is $1,072.00").marks,
            (std::map<std::string, double>{{"accuracy", 1}, {"accuracy_marked", 0}}));
  EXPECT_EQ(judge(r, "1072 less 2").answer, "2");
  EXPECT_EQ(judge(r, "1072 #### 3").marks.at("accuracy"), 0);
  EXPECT_FALSE(judge(r, "I do not know").parsed);
}

TEST(NumberScorer, CountsUnparsedTextsAsWrong) {
  const std::vector<AnswerRecord> records(4, record("number", {"8"}));
  const auto values = measures_of(records, {"#### 8", "8", "9", "none"});
  EXPECT_NEAR(values.at("accuracy"), 0.5, kAnswerRounding);
  EXPECT_NEAR(values.at("accuracy_marked"), 0.25, kAnswerRounding);
  EXPECT_NEAR(values.at("unparsed"), 0.25, kAnswerRounding);
}

TEST(NumberScorer, RefusesAnswersWithoutANumber) {
  expect_refused(record("number", {}), "answers: is empty");
  expect_refused(record("number", {"8", "eight"}), "'eight' has no number");
}

const std::vector<std::string> kLabels{"True", "False", "N/A"};

TEST(LabelScorer, TheLabelNamedLastCounts) {
  const AnswerRecord r = record("label", {"True"}, kLabels);
  EXPECT_EQ(judge(r, "It is false that … so the answer is true.").answer, "True");
  EXPECT_EQ(judge(r, "True or False? n/a").answer, "N/A");
  EXPECT_EQ(judge(r, "untrue, Falsehood, true1, _true").answer, "") << "parts of words";
  EXPECT_FALSE(judge(r, "maybe").parsed);
  EXPECT_EQ(judge(r, "<answer>FALSE</answer>").answer, "False");
  // The longer of two that end at one place.
  EXPECT_EQ(judge(record("label", {"not true"}, {"true", "not true"}), "it is not true").answer, "not true");
  EXPECT_EQ(judge(record("label", {"not true"}, {"not true", "true"}), "not true; true").answer, "true");
}

TEST(LabelScorer, MacroF1IsTheMeanOverLabelsThatOccur) {
  std::vector<AnswerRecord> records;
  for (const char* answer : {"True", "True", "True", "False", "False"})
    records.push_back(record("label", {answer}, kLabels));
  // True: 2 right of 3 and 1 false alarm: 4 / (3 + 3). False: 1 right, 1 missed, none false: 2 / (2 + 1).
  // N/A never occurs. The text without a label is a miss of True.
  const auto values = measures_of(records, {"True", "True", "hm", "True", "False"});
  EXPECT_NEAR(values.at("macro_f1"), (4.0 / 6 + 2.0 / 3) / 2, kAnswerRounding);
  EXPECT_NEAR(values.at("accuracy"), 3.0 / 5, kAnswerRounding);
  EXPECT_NEAR(values.at("unparsed"), 1.0 / 5, kAnswerRounding);
  // A label that is only predicted has F1 0 and counts.
  const auto alarm = measures_of(records, {"True", "True", "True", "False", "N/A"});
  EXPECT_NEAR(alarm.at("macro_f1"), (1 + 2.0 / 3 + 0) / 3, kAnswerRounding);
}

TEST(LabelScorer, RefusesAnswersThatAreNoLabel) {
  expect_refused(record("label", {"True"}), "labels: is missing");
  expect_refused(record("label", {"True"}, {"True", "False", "true"}), "stands there twice");
  expect_refused(record("label", {"Maybe"}, kLabels), "'Maybe' is none of the labels: True, False, N/A");
  expect_refused(record("label", {}, kLabels), "answers: found 0");
  expect_refused(record("label", {"True", "False"}, kLabels), "answers: found 2");
  expect_refused(record("label", {"True"}, {"True", ""}), "one is empty");
}

TEST(ExactScorer, WhiteSpaceAtTheEndsIsAllThatMayDiffer) {
  const AnswerRecord r = record("exact", {"two words", " other "});
  EXPECT_EQ(judge(r, " two words\t").marks.at("accuracy"), 1);
  EXPECT_EQ(judge(r, "other").marks.at("accuracy"), 1);
  EXPECT_EQ(judge(r, "Two words").marks.at("accuracy"), 0);
  EXPECT_EQ(judge(r, "two  words").marks.at("accuracy"), 0);
  EXPECT_FALSE(judge(r, " ").parsed);
  expect_refused(record("exact", {}), "answers: is empty");
}

TEST(AnswerScorers, AnUnknownOneIsRefusedWithTheKnownOnes) {
  try {
    scorer_of(record("bleu", {"a"}));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("[made.jsonl:1] scorer: 'bleu' is not known. Known: number, label, squad, exact, ifeval."));
  }
}

}  // namespace
}  // namespace circuit
