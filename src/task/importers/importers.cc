#include "core/names.h"
#include "task/importers/importer.h"

namespace circuit {

const std::vector<Importer>& importers() {
  constexpr auto kReadouts = RecordKind::kReadouts;
  constexpr auto kQuestions = RecordKind::kQuestions;
  static const std::vector<Importer> all{
      {"subject-verb", "the authors' subject-verb JSONL", 0, "sentences whose verbs have the wrong number (GPT-2 ids)",
       "never", TokenizerUse::kNeeded, kReadouts, import_subject_verb},
      {"eap-ig-csv", "CSV of EAP-IG: clean, corrupted, correct_idx, incorrect_idx", 0,
       "pairs with the ids of two answers", "always", TokenizerUse::kOptional, kReadouts, import_eap_ig_csv},
      {"winobias", "PRO ANTI: the pro- and the anti-stereotyped file of type 2, as JSONL", 2,
       "a pronoun against the opposite one, by occupation", "auto", TokenizerUse::kOptional, kReadouts,
       import_winobias},
      {"bug", "BUG's CSV", 0, "a pronoun against the opposite one, by occupation", "auto", TokenizerUse::kOptional,
       kReadouts, import_bug},
      {"gsm8k", "GSM8K's JSONL", 0, "questions with worked answers that end in a number", "auto", TokenizerUse::kNone,
       kQuestions, import_gsm8k},
      {"contexthub", "ContextHub's JSON, with or without chains of thought", 0, "puzzles answered True, False or N/A",
       "auto", TokenizerUse::kNone, kQuestions, import_contexthub},
      {"squad", "SQuAD 2.0's JSON", 0, "questions about a passage, some without an answer", "auto", TokenizerUse::kNone,
       kQuestions, import_squad},
  };
  return all;
}

const Importer& find_importer(const std::string& name) { return find_named(importers(), "import", name); }

Json question_record(const Question& question, AnswerForm form) {
  if (form == AnswerForm::kMessages) {
    return {{"messages", Json::array({{{"role", "user"}, {"content", question.text}},
                                      {{"role", "assistant"}, {"content", question.answer}}})}};
  }
  return {{"prompt", question.text + "\n" + question.cue}, {"completion", " " + question.answer}};
}

}  // namespace circuit
