#include "core/names.h"
#include "io/files.h"
#include "task/importers/importer.h"
#include "text/unicode.h"

namespace circuit {

const std::vector<Importer>& importers() {
#define CIRCUIT_MADE(name) name(),
  static const std::vector<Importer> all{CIRCUIT_IMPORTERS(CIRCUIT_MADE)};
#undef CIRCUIT_MADE
  return all;
}

const Importer& find_importer(const std::string& name) { return find_named(importers(), "import", name); }

std::string without_ends(const std::string& text) {
  const size_t begin = leading_white_space(text);
  return begin == text.size() ? "" : text.substr(begin, text.size() - begin - trailing_white_space(text));
}

bool is_json_lines(std::string_view text) {
  text = without_byte_order_mark(text);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') return false;
  const std::string_view line = text.substr(first, text.find('\n', first) - first);
  return Json::parse(line.begin(), line.end(), nullptr, false).is_object();
}

Json question_record(const Question& question, AnswerForm form) {
  if (form == AnswerForm::kMessages) {
    return {{"messages", Json::array({{{"role", "user"}, {"content", question.text}},
                                      {{"role", "assistant"}, {"content", question.answer}}})}};
  }
  return {{"prompt", question.text + "\n" + question.cue}, {"completion", " " + question.answer}};
}

}  // namespace circuit
