// SQuAD 2.0 (Rajpurkar, Jia, Liang 2018): questions about a passage. One without an answer learns the word
// that the scorer takes for none. SQuAD 1.1 (2016) has no is_impossible: every question of it has an answer.
#include <algorithm>

#include "core/error.h"
#include "io/files.h"
#include "task/importers/importer.h"

namespace circuit {
namespace {

constexpr const char* kNoAnswer = "unanswerable";

const Json& list_of(const Json& object, const char* key, const std::string& place) {
  const Json& list = require(object, key, place);
  if (!list.is_array()) fail(place, "{}: found a {}, expected a list.", key, list.type_name());
  return list;
}

class Squad {
 public:
  Squad(const ImportOptions& options, const EmitRecord& emit) : options_(options), emit_(emit) {}

  void paragraph(const Json& paragraph, const std::string& place) {
    const std::string passage = require_string(paragraph, "context", place);
    for (const Json& question : list_of(paragraph, "qas", place)) this->question(question, passage, place);
  }

  ImportReport report;

 private:
  void question(const Json& question, const std::string& passage, const std::string& paragraph) {
    ++report.rows;
    const std::string place = paragraph + " " + require_string(question, "id", paragraph);
    const std::string text = require_string(question, "question", place);
    std::vector<std::string> answers;  // in the order of the file, each once
    const bool listed = question.contains("answers") && !question["answers"].is_null();
    for (const Json& answer : listed ? list_of(question, "answers", place) : Json::array()) {
      const std::string words = require_string(answer, "text", place);
      if (!words.empty() && std::find(answers.begin(), answers.end(), words) == answers.end()) answers.push_back(words);
    }
    if (!question.contains("is_impossible") && answers.empty()) {
      ++report.refused["whether it has an answer is not given (a test file)"];
      return;
    }
    const bool impossible = optional_bool(question, "is_impossible", false, place);
    if (impossible != answers.empty()) {
      ++report.refused[impossible ? "marked impossible, but has answers" : "marked possible, but has no answer"];
      return;
    }
    ++report.counts[impossible ? "questions without an answer" : "questions with an answer"];
    const std::string prompt = passage + "\n\nAnswer with words of the passage, or \"" + kNoAnswer +
                               "\" if it holds no answer.\nQuestion: " + text;
    Json record = question_record({prompt, "Answer:", impossible ? kNoAnswer : answers[0]}, options_.form);
    record["scorer"] = "squad";
    record["answers"] = answers;
    emit_(record);
    ++report.records;
  }

  const ImportOptions& options_;
  const EmitRecord& emit_;
};

ImportReport import_squad(const std::vector<std::string>& files, const ImportOptions& options, const EmitRecord& emit) {
  Squad importer(options, emit);
  for (const std::string& path : files) {
    const Json root = read_json(path);
    if (!root.is_object()) fail(path, "found a {}, expected SQuAD's object.", root.type_name());
    for (const Json& article : list_of(root, "data", path)) {
      const std::string title = optional_string(article, "title", "", path);
      for (const Json& paragraph : list_of(article, "paragraphs", path + ":" + title)) {
        importer.paragraph(paragraph, path + ":" + title);
      }
    }
  }
  return importer.report;
}

}  // namespace

Importer squad_importer() {
  return {"squad",
          "SQuAD 2.0's JSON",
          0,
          "questions about a passage, some without an answer",
          "auto",
          TokenizerUse::kNone,
          RecordKind::kQuestions,
          import_squad};
}

}  // namespace circuit
