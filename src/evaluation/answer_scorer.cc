#include "evaluation/answer_scorer.h"

#include "core/names.h"
#include "text/unicode.h"

namespace circuit {

#define CIRCUIT_MADE(name) name(),
const std::vector<AnswerScorer>& answer_scorers() {
  static const std::vector<AnswerScorer> all{CIRCUIT_ANSWER_SCORERS(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

const AnswerScorer& scorer_of(const AnswerRecord& record) {
  for (const AnswerScorer& scorer : answer_scorers()) {
    if (scorer.name == record.scorer) return scorer;
  }
  fail(record.place, "scorer: '{}' is not known. Known: {}.", record.scorer, names_of(answer_scorers()));
}

std::vector<double> marks_of(const std::vector<Judgement>& judgements, const std::string& name) {
  std::vector<double> marks;
  for (const Judgement& j : judgements) marks.push_back(j.marks.at(name));
  return marks;
}

Measure unparsed_share(const std::vector<Judgement>& judgements, Rng& rng) {
  std::vector<double> unparsed;
  for (const Judgement& j : judgements) unparsed.push_back(j.parsed ? 0 : 1);
  return mean_measure("unparsed", unparsed, rng);
}

void need_answers(const AnswerRecord& record) {
  if (record.answers.empty())
    fail(record.place, "answers: is empty, expected one or more with scorer '{}'.", record.scorer);
}

std::string trimmed(const std::string& text) {
  const std::string rest = text.substr(leading_white_space(text));
  return rest.substr(0, rest.size() - trailing_white_space(rest));
}

}  // namespace circuit
