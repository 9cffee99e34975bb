// MGSM (Shi et al. 2022): GSM8K's problems in eleven languages. The published tables have no header: question, tab,
// number; a language is part of a file's name. Exports of data sets are JSON Lines, of the eight worked examples too.
// Prompts are those of the authors' examples with thoughts in the problem's own language (exemplars.py).
#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/names.h"
#include "io/files.h"
#include "task/importers/importer.h"
#include "text/unicode.h"

namespace circuit {
namespace {

struct MgsmLanguage {
  std::string name;
  std::string question, answer;  // the words before them
  std::string space = " ";       // behind those words
};

const std::vector<MgsmLanguage>& mgsm_languages() {
  static const std::vector<MgsmLanguage> all{
      {"bn", "প্রশ্ন:", "ধাপে ধাপে উত্তর:"},
      {"de", "Frage:", "Schritt-für-Schritt-Antwort:"},
      {"en", "Question:", "Step-by-Step Answer:"},
      {"es", "Pregunta:", "Respuesta paso a paso:"},
      {"fr", "Question :", "Réponse étape par étape :"},
      {"ja", "問題：", "ステップごとの答え：", ""},
      {"ru", "Задача:", "Пошаговое решение:"},
      {"sw", "Swali:", "Jibu la Hatua kwa Hatua:"},
      {"te", "ప్రశ్న:", "దశలవారీగా సమాధానం:"},
      {"th", "โจทย์:", "คำตอบทีละขั้นตอน:"},
      {"zh", "问题：", "逐步解答：", ""},
  };
  return all;
}

// The last part of a name, between marks, that is a language: "mgsm_de.tsv", "test-00000.de.jsonl". Null: none is.
const MgsmLanguage* language_in(const std::string& name) {
  constexpr const char* kMarks = "_-. ";
  const MgsmLanguage* found = nullptr;
  for (size_t at = 0; at < name.size();) {
    const size_t end = std::min(name.find_first_of(kMarks, at), name.size());
    for (const MgsmLanguage& language : mgsm_languages()) {
      if (name.compare(at, end - at, language.name) == 0) found = &language;
    }
    at = end + 1;
  }
  return found;
}

// Of the file's name, else of its folder's ("de/test.jsonl").
const MgsmLanguage& mgsm_language(const std::string& path) {
  const std::filesystem::path file(path);
  const MgsmLanguage* language = language_in(file.filename().string());
  if (language == nullptr) language = language_in(file.parent_path().filename().string());
  if (language != nullptr) return *language;
  fail(path, "the name says no language: expected one of {}, as in mgsm_de.tsv. Rename the file.",
       names_of(mgsm_languages()));
}

// The text behind `word` where it begins with it: worked examples have the words before question and answer.
std::string behind(const std::string& word, const std::string& text) {
  return text.compare(0, word.size(), word) == 0 ? without_ends(text.substr(word.size())) : text;
}

// "1,000" → "1000"; empty when the text is no number.
std::string mgsm_number(const std::string& text) {
  std::string number = without_ends(text);
  const size_t digits = !number.empty() && number[0] == '-' ? 1 : 0;
  for (size_t comma = number.find(','); comma != std::string::npos; comma = number.find(',', comma)) {
    const size_t end = std::min(number.find_first_not_of("0123456789", comma + 1), number.size());
    if (comma == digits || end - comma != 4) return "";  // not three digits behind it
    number.erase(comma, 1);
  }
  const size_t dot = std::min(number.find('.'), number.size());
  std::string figures = number.substr(digits);
  if (dot < number.size()) figures.erase(dot - digits, 1);
  const bool is_number = !figures.empty() && figures.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? number : "";
}

struct MgsmRow {
  std::string question, thoughts, number;  // thoughts: empty where none are published
};

MgsmRow mgsm_line(const std::string& line, const std::string& place) {
  const size_t tab = line.rfind('\t');
  if (tab == std::string::npos) {
    fail(place, "found no tab, expected MGSM's question, a tab and the answer's number, or a JSON object a line.");
  }
  return {line.substr(0, tab), "", line.substr(tab + 1)};
}

MgsmRow mgsm_json(const Json& row, const std::string& place) {
  const Json& number = require(row, "answer_number", place);
  if (!number.is_number() && !number.is_string()) {
    fail(place, "answer_number: found a {}, expected a number.", number.type_name());
  }
  return {require_string(row, "question", place), optional_string(row, "answer", "", place),
          number.is_string() ? number.get<std::string>() : number.dump()};
}

Json mgsm_record(const MgsmRow& row, const MgsmLanguage& language, AnswerForm form) {
  const std::string question = behind(language.question, without_ends(row.question));
  const std::string thoughts = behind(language.answer, without_ends(row.thoughts));
  const std::string number = mgsm_number(row.number);
  const std::string answer = thoughts.empty() ? number : thoughts;
  Json record = form == AnswerForm::kMessages
                    ? question_record({question, "", answer}, form)
                    : question_record({language.question + language.space + question, language.answer, answer}, form);
  if (form == AnswerForm::kPromptCompletion) record["completion"] = language.space + answer;
  record["scorer"] = "number";
  record["answers"] = Json::array({number});
  return record;
}

void each_text_line(std::string_view text, const std::string& name,
                    const std::function<void(const std::string& line, const std::string& place)>& on_line) {
  if (!is_valid_utf8(text)) fail(name, "the file is not valid UTF-8. Convert it first.");
  text = without_byte_order_mark(text);
  int64_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line(text.substr(at, end - at));
    ++number;
    at = end + 1;
    if (leading_white_space(line) == line.size()) continue;
    if (line.back() == '\r') line.pop_back();
    on_line(line, fmt::format("{}:{}", name, number));
  }
}

ImportReport import_mgsm(const std::vector<std::string>& files, const ImportOptions& options, const EmitRecord& emit) {
  ImportReport report;
  for (const std::string& path : files) {
    const MgsmLanguage& language = mgsm_language(path);
    const auto add = [&](const MgsmRow& row) {
      ++report.rows;
      if (without_ends(row.question).empty()) {
        ++report.refused["the question is empty"];
      } else if (mgsm_number(row.number).empty()) {
        ++report.refused["the answer is no number"];
      } else {
        emit(mgsm_record(row, language, options.form));
        ++report.records;
        ++report.counts["language " + language.name];
      }
    };
    const MappedFile file(path);
    if (is_json_lines(file.text())) {
      each_json_line(file.text(), path, [&](const Json& row, const std::string& place) { add(mgsm_json(row, place)); });
    } else {
      each_text_line(file.text(), path,
                     [&](const std::string& line, const std::string& place) { add(mgsm_line(line, place)); });
    }
  }
  return report;
}

}  // namespace

Importer mgsm_importer() {
  return {"mgsm",
          "MGSM's TSV files (mgsm_de.tsv), or its JSON Lines",
          0,
          "GSM8K's problems in eleven languages",
          "auto",
          TokenizerUse::kNone,
          RecordKind::kQuestions,
          import_mgsm};
}

}  // namespace circuit
