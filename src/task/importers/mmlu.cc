// MMLU (Hendrycks et al. 2021): questions of 57 subjects with four choices. The authors' CSV files have no header; a
// subject is a file's name. Exports of data sets are JSON Lines that name it. The prompt is lm-evaluation-harness's.
#include <algorithm>

#include "core/error.h"
#include "io/csv.h"
#include "io/files.h"
#include "task/importers/importer.h"
#include "task/record_keys.h"

namespace circuit {
namespace {

constexpr size_t kMmluChoices = 4;

struct MmluRow {
  std::string question;
  std::vector<std::string> choices;  // kMmluChoices
  int64_t answer = 0;                // index
  std::string subject;               // "abstract_algebra"
};

// "…/abstract_algebra_test.csv" → "abstract_algebra"
std::string mmlu_subject(const std::string& path) {
  std::string name = path.substr(path.find_last_of('/') + 1);
  name = name.substr(0, name.find('.'));
  for (const std::string ending : {"_test", "_dev", "_val"}) {
    if (name.size() > ending.size() && name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
      return name.substr(0, name.size() - ending.size());
    }
  }
  return name;
}

MmluRow mmlu_csv_row(const std::vector<std::string>& fields, const std::string& subject, const std::string& place) {
  if (fields.size() != kMmluChoices + 2) {
    fail(place, "found {} fields, expected MMLU's 6 (question, A, B, C, D, answer) or a JSON object a line.",
         fields.size());
  }
  const std::string& letter = fields.back();
  if (letter.size() != 1 || letter[0] < 'A' || letter[0] > 'D') {
    fail(place, "the answer (field 6): found '{}', expected A, B, C or D.", letter);
  }
  return {fields[0], {fields.begin() + 1, fields.end() - 1}, letter[0] - 'A', subject};
}

MmluRow mmlu_json_row(const Json& row, const std::string& place) {
  MmluRow read{require_string(row, "question", place), require_strings(row, "choices", place),
               require_int(row, "answer", place), require_string(row, "subject", place)};
  if (read.choices.size() != kMmluChoices) {
    fail(place, "choices: found {}, expected {}.", read.choices.size(), kMmluChoices);
  }
  if (read.answer < 0 || read.answer >= static_cast<int64_t>(kMmluChoices)) {
    fail(place, "answer: found {}, expected the index of a choice, 0 to 3.", read.answer);
  }
  return read;
}

// doc_to_text behind the description of the harness's task.
Json mmlu_record(const MmluRow& row) {
  std::string about = row.subject;
  std::replace(about.begin(), about.end(), '_', ' ');
  std::string prompt = "The following are multiple choice questions (with answers) about " + about + ".\n\n" +
                       without_ends(row.question);
  Json choices = Json::array();
  for (size_t i = 0; i < kMmluChoices; ++i) {
    const std::string letter(1, static_cast<char>('A' + i));
    prompt += "\n" + letter + ". " + row.choices[i];
    choices.push_back(" " + letter);
  }
  return {{"prompt", prompt + "\nAnswer:"}, {"choices", choices}, {"answer", row.answer}, {"group", row.subject}};
}

ImportReport import_mmlu(const std::vector<std::string>& files, const ImportOptions&, const EmitRecord& emit) {
  ImportReport report;
  const auto add = [&](const MmluRow& row) {
    ++report.rows;
    if (without_ends(row.question).empty()) {
      ++report.refused["the question is empty"];
      return;
    }
    emit(mmlu_record(row));
    ++report.records;
  };
  for (const std::string& path : files) {
    const MappedFile file(path);
    if (is_json_lines(file.text())) {
      each_json_line(file.text(), path,
                     [&](const Json& row, const std::string& place) { add(mmlu_json_row(row, place)); });
      continue;
    }
    const std::string subject = mmlu_subject(path);
    each_csv_fields(file.text(), path, [&](const std::vector<std::string>& fields, const std::string& place) {
      add(mmlu_csv_row(fields, subject, place));
    });
  }
  return report;
}

}  // namespace

Importer mmlu_importer() {
  return {"mmlu",
          "MMLU's CSV files, or its JSON Lines",
          0,
          "multiple choice of 57 subjects, grouped by subject",
          "auto",
          TokenizerUse::kNone,
          RecordKind::kChoices,
          import_mmlu};
}

}  // namespace circuit
