// A number, as GSM8K asks for it: after "####", else the last one of the text.
#include <algorithm>

#include "core/error.h"
#include "evaluation/answer_scorer.h"
#include "evaluation/number_in_text.h"

namespace circuit {
namespace {

std::optional<std::string> number_of(const std::string& text) {
  const std::optional<std::string> marked = marked_number(text);
  return marked ? marked : last_number(text);
}

void check_number(const AnswerRecord& record) {
  need_answers(record);
  for (const std::string& answer : record.answers) {
    if (!number_of(answer))
      fail(record.place, "answers: '{}' has no number in it, which scorer 'number' needs.", answer);
  }
}

Judgement judge_number(const AnswerRecord& record, const std::string& text) {
  Judgement j;
  const std::optional<std::string> found = number_of(text);
  j.parsed = found.has_value();
  j.answer = found.value_or("");
  const auto same = [&](const std::string& answer) { return found == number_of(answer); };
  const bool right = found && std::any_of(record.answers.begin(), record.answers.end(), same);
  j.marks["accuracy"] = right ? 1 : 0;
  j.marks["accuracy_marked"] = right && marked_number(text) ? 1 : 0;
  return j;
}

std::vector<Measure> number_measures(const std::vector<AnswerRecord>&, const std::vector<Judgement>& judgements,
                                     Rng& rng) {
  return {mean_measure("accuracy", marks_of(judgements, "accuracy"), rng),
          mean_measure("accuracy_marked", marks_of(judgements, "accuracy_marked"), rng),
          unparsed_share(judgements, rng)};
}

}  // namespace

AnswerScorer number_answer_scorer() {
  return {"number", "the number after ####, else the last one", {}, check_number, judge_number, number_measures};
}

}  // namespace circuit
