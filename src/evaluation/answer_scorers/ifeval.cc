// Keeping to instructions (IFEval, Zhou et al. 2023): the published accuracies of prompts and of instructions, strict
// and loose.
#include <algorithm>

#include "core/error.h"
#include "evaluation/answer_scorer.h"
#include "evaluation/instruction_rules.h"

namespace circuit {
namespace {

void check_ifeval(const AnswerRecord& record) {
  if (record.instructions.empty()) {
    fail(record.place, "instructions: is missing; scorer 'ifeval' needs what the text must keep to.");
  }
}

bool follows_loosely(const Instruction& instruction, const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) { return follows(instruction, text); });
}

// The answer names the instructions that were not kept to, strictly taken.
Judgement judge_ifeval(const AnswerRecord& record, const std::string& text) {
  Judgement j;
  j.parsed = !trimmed(text).empty();
  const std::vector<std::string> texts = loose_texts(text);
  double strict = 0;
  double loose = 0;
  for (const Instruction& instruction : record.instructions) {
    const bool kept = follows(instruction, text);
    strict += kept;
    loose += follows_loosely(instruction, texts);
    if (!kept) j.answer += (j.answer.empty() ? "not kept to: " : ", ") + instruction.id;
  }
  const auto all = static_cast<double>(record.instructions.size());
  j.marks = {{"prompt_strict", strict == all ? 1 : 0},
             {"prompt_loose", loose == all ? 1 : 0},
             {"instruction_strict", strict / all},
             {"instruction_loose", loose / all}};
  return j;
}

// Of instructions: Σ kept / Σ given, records resampled.
std::vector<Measure> ifeval_measures(const std::vector<AnswerRecord>& records, const std::vector<Judgement>& judgements,
                                     Rng& rng) {
  std::vector<double> given;
  for (const AnswerRecord& record : records) given.push_back(static_cast<double>(record.instructions.size()));
  std::vector<Measure> measures;
  for (const std::string rule : {"strict", "loose"}) {
    measures.push_back(mean_measure("prompt_" + rule, marks_of(judgements, "prompt_" + rule), rng));
    std::vector<double> kept = marks_of(judgements, "instruction_" + rule);
    for (size_t i = 0; i < kept.size(); ++i) kept[i] *= given[i];
    const Estimate share = ratio_estimate(kept, given, rng);
    measures.push_back({"instruction_" + rule, share.value, share.interval});
  }
  return measures;
}

}  // namespace

AnswerScorer ifeval_answer_scorer() {
  return {"ifeval",       "instructions kept to by IFEval's rules, strict and loose", {}, check_ifeval, judge_ifeval,
          ifeval_measures};
}

}  // namespace circuit
