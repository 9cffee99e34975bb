// GPQA (Rein et al. 2023): questions of experts, one correct and three incorrect answers each, as the published CSV has
// them. The prompt is lm-evaluation-harness's zero-shot one. Answers are put in an order drawn from the question's
// text: of a row, whatever else the file holds, and as likely to put the correct one first as second, third or fourth.
#include <algorithm>

#include "core/rng.h"
#include "io/csv.h"
#include "io/files.h"
#include "task/importers/importer.h"

namespace circuit {
namespace {

std::string gpqa_text(const CsvRow& row, const char* column) { return without_ends(row.at(column)); }

// The correct answer first; the reason why there is no record, or empty.
std::string gpqa_refusal(const std::string& question, const std::vector<std::string>& answers) {
  if (question.empty()) return "the question is empty";
  if (std::find(answers.begin(), answers.end(), "") != answers.end()) return "an answer is empty";
  const bool twice = std::find(answers.begin() + 1, answers.end(), answers[0]) != answers.end();
  return twice ? "the correct answer is an incorrect one too" : "";
}

Json gpqa_record(const std::string& question, const std::vector<std::string>& answers, const std::string& domain) {
  Rng rng = Rng(0).split("gpqa " + question);
  const std::vector<int64_t> order = permutation(static_cast<int64_t>(answers.size()), rng);
  std::string prompt = "What is the correct answer to this question:" + question + "\nChoices:\n";
  Json choices = Json::array();
  for (size_t i = 0; i < order.size(); ++i) {
    const std::string letter = std::string("(") + static_cast<char>('A' + i) + ")";
    prompt += letter + " " + answers[order[i]] + "\n";
    choices.push_back(" " + letter);
  }
  const auto correct = std::find(order.begin(), order.end(), 0) - order.begin();
  Json record{{"prompt", prompt + "Answer:"}, {"choices", choices}, {"answer", correct}};
  if (!domain.empty()) record["group"] = domain;
  return record;
}

ImportReport import_gpqa(const std::vector<std::string>& files, const ImportOptions&, const EmitRecord& emit) {
  ImportReport report;
  for (const std::string& path : files) {
    const MappedFile file(path);
    each_csv_row(file.text(), path, [&](const CsvRow& row) {
      ++report.rows;
      const std::string question = gpqa_text(row, "Question");
      const std::vector<std::string> answers{gpqa_text(row, "Correct Answer"), gpqa_text(row, "Incorrect Answer 1"),
                                             gpqa_text(row, "Incorrect Answer 2"),
                                             gpqa_text(row, "Incorrect Answer 3")};
      const std::string refusal = gpqa_refusal(question, answers);
      if (!refusal.empty()) {
        ++report.refused[refusal];
        return;
      }
      emit(gpqa_record(question, answers, gpqa_text(row, "High-level domain")));
      ++report.records;
    });
  }
  return report;
}

}  // namespace

Importer gpqa_importer() {
  return {"gpqa",
          "GPQA's CSV",
          0,
          "experts' questions as multiple choice, grouped by domain",
          "auto",
          TokenizerUse::kNone,
          RecordKind::kChoices,
          import_gpqa};
}

}  // namespace circuit
