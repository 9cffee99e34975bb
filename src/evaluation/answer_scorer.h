// Generated text against accepted answers: the stage that judges generation tasks. docs/general-ability.md says what
// each scorer does.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "evaluation/measure.h"
#include "task/answer_records.h"

namespace circuit {

// What one text is worth.
struct Judgement {
  std::string answer;                   // as it was compared; empty: none was found
  bool parsed = true;                   // whether the text had an answer of the form asked for
  std::map<std::string, double> marks;  // 0 … 1 each, what the measures are means of
};

struct AnswerScorer {
  std::string name, help;
  std::vector<std::string> stops;  // text that ends the generation unless others are given
  // Throws Error naming the record whose answers or labels the scorer cannot use.
  void (*check)(const AnswerRecord& record);
  // `text`: generated, without the stop.
  Judgement (*judge)(const AnswerRecord& record, const std::string& text);
  // records and judgements one to one, at least one.
  std::vector<Measure> (*measures)(const std::vector<AnswerRecord>& records, const std::vector<Judgement>& judgements,
                                   Rng& rng);
};

const std::vector<AnswerScorer>& answer_scorers();
// The scorer of a record. Throws Error naming the record where there is none of that name.
const AnswerScorer& scorer_of(const AnswerRecord& record);

// One file each:
// A scorer of answers is one file and one line here. It is declared, and listed in this order.
#define CIRCUIT_ANSWER_SCORERS(METHOD) \
  METHOD(number_answer_scorer)         \
  METHOD(label_answer_scorer)          \
  METHOD(squad_answer_scorer)          \
  METHOD(exact_answer_scorer)          \
  METHOD(ifeval_answer_scorer)
#define CIRCUIT_DECLARE(name) AnswerScorer name();
CIRCUIT_ANSWER_SCORERS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

// One mark of every judgement.
std::vector<double> marks_of(const std::vector<Judgement>& judgements, const std::string& name);
// Share of texts without an answer of the form asked for.
Measure unparsed_share(const std::vector<Judgement>& judgements, Rng& rng);
// Throws Error naming the record when it has no answer.
void need_answers(const AnswerRecord& record);
// Without white space at either end.
std::string trimmed(const std::string& text);

}  // namespace circuit
