// GSM8K (Cobbe et al. 2021): questions with worked answers whose last line is "#### NUMBER". Answers are kept
// as they are published, with the calculator's annotations <<48/2=24>>.
#include <algorithm>

#include "io/files.h"
#include "task/importers/importer.h"

namespace circuit {
namespace {

// The number after the last "####", without thousands separators; empty when there is none.
std::string final_number(const std::string& answer) {
  const size_t at = answer.rfind("####");
  if (at == std::string::npos) return "";
  std::string number;
  for (const char c : answer.substr(at + 4)) {
    if (c != ',' && c != ' ' && c != '$' && c != '\n' && c != '\r') number += c;
  }
  const bool is_number = number.find_first_of("0123456789") != std::string::npos &&
                         number.find_first_not_of("0123456789.-") == std::string::npos;
  return is_number ? number : "";
}

}  // namespace

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

}  // namespace circuit
