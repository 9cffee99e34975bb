// Exact match: the text is one of the answers, white space at its ends aside.
#include <algorithm>

#include "evaluation/answer_scorer.h"

namespace circuit {
namespace {

Judgement judge_exact(const AnswerRecord& record, const std::string& text) {
  Judgement j;
  j.answer = trimmed(text);
  j.parsed = !j.answer.empty();
  const auto same = [&](const std::string& answer) { return trimmed(answer) == j.answer; };
  j.marks["accuracy"] = std::any_of(record.answers.begin(), record.answers.end(), same) ? 1 : 0;
  return j;
}

std::vector<Measure> exact_measures(const std::vector<AnswerRecord>&, const std::vector<Judgement>& judgements,
                                    Rng& rng) {
  return {mean_measure("accuracy", marks_of(judgements, "accuracy"), rng), unparsed_share(judgements, rng)};
}

}  // namespace

AnswerScorer exact_answer_scorer() {
  return {"exact",       "the text up to a line break is one of the answers", {"\n"}, need_answers, judge_exact,
          exact_measures};
}

}  // namespace circuit
