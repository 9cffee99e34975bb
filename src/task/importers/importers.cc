#include "core/names.h"
#include "task/importers/importer.h"

namespace circuit {

const std::vector<Importer>& importers() {
#define CIRCUIT_MADE(name) name(),
  static const std::vector<Importer> all{CIRCUIT_IMPORTERS(CIRCUIT_MADE)};
#undef CIRCUIT_MADE
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
