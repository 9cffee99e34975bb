// GSM8K (Cobbe et al. 2021): questions with worked answers whose last line is "#### NUMBER". Answers are kept
// as they are published, with the calculator's annotations <<48/2=24>>.
#include <algorithm>

#include "io/files.h"
#include "task/importers/importer.h"

namespace circuit {
namespace {

// The number after the first "####" that has one, without thousands separators, as the scorer (and the authors'
// extract_answer, "#### (\-?[0-9\.\,]+)") finds it in generated text; empty when there is none.
std::string final_number(const std::string& answer) {
  constexpr std::string_view kMarker = "####";
  for (size_t at = answer.find(kMarker); at != std::string::npos; at = answer.find(kMarker, at + 1)) {
    const size_t begin = answer.find_first_not_of(" $\t\r\n", at + kMarker.size());
    if (begin == std::string::npos) return "";
    const size_t digits = begin + (answer[begin] == '-' || answer[begin] == '+' ? 1 : 0);
    const size_t end = std::min(answer.find_first_not_of("0123456789.,$", digits), answer.size());
    std::string number = answer[begin] == '-' ? "-" : "";
    for (const char c : answer.substr(digits, end - digits)) {
      if (c != ',' && c != '$') number += c;
    }
    while (!number.empty() && number.back() == '.') number.pop_back();
    if (number.find_first_of("0123456789") != std::string::npos) return number;
  }
  return "";
}

ImportReport import_gsm8k(const std::vector<std::string>& files, const ImportOptions& options, const EmitRecord& emit) {
  ImportReport report;
  for (const std::string& path : files) {
    const MappedFile file(path);
    each_json_line(file.text(), path, [&](const Json& row, const std::string& place) {
      ++report.rows;
      const std::string question = require_string(row, "question", place);
      const std::string answer = require_string(row, "answer", place);
      const std::string number = final_number(answer);
      if (number.empty()) {
        ++report.refused["no number after ####"];
        return;
      }
      Json record = options.form == AnswerForm::kMessages
                        ? question_record({question, "", answer}, options.form)
                        : question_record({"Question: " + question, "Answer:", answer}, options.form);
      record["scorer"] = "number";
      record["answers"] = Json::array({number});
      emit(record);
      ++report.records;
    });
  }
  return report;
}

}  // namespace

Importer gsm8k_importer() {
  return {"gsm8k",
          "GSM8K's JSONL",
          0,
          "questions with worked answers that end in a number",
          "auto",
          TokenizerUse::kNone,
          RecordKind::kQuestions,
          import_gsm8k};
}

}  // namespace circuit
