// The rules of SQuAD 2.0's official evaluation, on a made set. Values follow from its published definition: lower case;
// ASCII punctuation removed; a, an, the removed as words; white space made single; exact match and F1 over tokens, the
// best over the answers that are not empty by then; no answer: the empty text is right.
#include <gtest/gtest.h>

#include "evaluation/answer_scorer.h"

namespace circuit {
namespace {

constexpr double kRounding = 1e-12;  // ratios of small integers

struct Case {
  std::vector<std::string> answers;
  const char* text;
  double exact, f1;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      // Case, punctuation, articles and white space do not count.
      {{"Denver Broncos"}, "the Denver  Broncos.", 1, 1},
      {{"Denver Broncos"}, " denver broncos\t", 1, 1},
      {{"U.S. Army"}, "US army", 1, 1},
      {{"1,000"}, "1000", 1, 1},
      {{"a_b"}, "ab", 1, 1},
      {{"naïve café"}, "NAÏVE CAFÉ", 1, 1},
      {{"x\u00a0y"}, "x y", 1, 1},
      // P = 1, R = 1/2: 2/3. P = 2/4, R = 1: 2/3.
      {{"Denver Broncos"}, "Broncos", 0, 2.0 / 3},
      {{"Denver Broncos"}, "the Broncos of Denver won", 0, 2.0 / 3},
      {{"Denver Broncos"}, "Panthers", 0, 0},
      // Tokens count as often as they occur: new and york are shared once each, of three and three.
      {{"new new york"}, "new york york", 0, 2.0 / 3},
      // The best answer, for each measure on its own.
      {{"ten", "10 days"}, "10", 0, 2.0 / 3},
      {{"ten", "10 days"}, "Ten!", 1, 1},
      // Punctuation goes before words are told apart, and is not replaced by white space.
      {{"state-of-the-art"}, "state of the art", 0, 0},
      {{"state-of-the-art"}, "stateoftheart", 1, 1},
      {{"A. N. Other"}, "other", 0, 2.0 / 3},
      {{"A.N. Other"}, "other", 1, 1},
      // Articles are whole words.
      {{"theatre an"}, "theatre", 1, 1},
      // Quotation marks that are not ASCII stay and end a word; the article's place becomes white space:
      // “ king” of “spades” against “king” of “spades”, tokens 4 and 3, 2 shared.
      {{"“the king” of “spades”"}, "“king” of “spades”", 0, 4.0 / 7},
      {{"“the king”"}, "“ king”", 1, 1},
      // An answer that normalises to nothing is none.
      {{"the the the"}, "x", 0, 0},
      {{"the the the"}, "", 1, 1},
      {{"the", "king"}, "the", 0, 0},
      // No answer, and declining where there is one.
      {{}, "", 1, 1},
      {{}, " The. ", 1, 1},
      {{}, "Paris", 0, 0},
      {{"Denver Broncos"}, "", 0, 0},
      // What a generated text says for the official script's empty prediction.
      {{}, "unanswerable", 1, 1},
      {{}, "No answer.", 1, 1},
      {{"Paris"}, "Unanswerable.", 0, 0},
      {{"Paris"}, "no answer is Paris", 0, 2.0 / 5},
  };
  return all;
}

AnswerRecord record_of(const Case& c) { return {{0}, "squad", c.answers, {}, "made.jsonl:1"}; }

TEST(SquadScorer, FollowsTheOfficialRules) {
  for (const Case& c : cases()) {
    const AnswerRecord record = record_of(c);
    const Judgement j = scorer_of(record).judge(record, c.text);
    const std::string name = (c.answers.empty() ? "(none)" : c.answers[0]) + " / " + c.text;
    EXPECT_EQ(j.marks.at("exact"), c.exact) << name;
    EXPECT_NEAR(j.marks.at("f1"), c.f1, kRounding) << name;
  }
}

TEST(SquadScorer, SubtotalsAreOfQuestionsWithAndWithoutAnswers) {
  std::vector<AnswerRecord> records;
  std::vector<Judgement> judgements;
  std::map<std::string, double> sums, counts;
  for (const Case& c : cases()) {
    records.push_back(record_of(c));
    judgements.push_back(scorer_of(records.back()).judge(records.back(), c.text));
    for (const std::string part : {"", c.answers.empty() ? "_no_answer" : "_has_answer"}) {
      sums["exact" + part] += c.exact;
      sums["f1" + part] += c.f1;
      ++counts["exact" + part];
      ++counts["f1" + part];
    }
  }
  Rng rng(1);
  const auto measures = scorer_of(records[0]).measures(records, judgements, rng);
  ASSERT_EQ(measures.size(), 6u);
  for (const Measure& m : measures) EXPECT_NEAR(m.value, sums.at(m.name) / counts.at(m.name), kRounding) << m.name;
  // Without such questions there is no subtotal.
  EXPECT_EQ(scorer_of(records[0]).measures({records[0]}, {judgements[0]}, rng).size(), 4u);
}

}  // namespace
}  // namespace circuit
