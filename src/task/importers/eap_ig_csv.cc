// The CSV files of EAP-IG (hannamw/EAP-IG, MIB): a clean and a corrupted text, and the ids of answers read
// after the end, with a begin token before both, as TransformerLens puts one.
#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "io/csv.h"
#include "io/files.h"
#include "task/importers/importer.h"

namespace circuit {
namespace {

// The published names of the two columns of answers.
struct AnswerColumns {
  const char* correct;
  const char* wrong;
};
constexpr AnswerColumns kAnswerColumns[] = {{"correct_idx", "incorrect_idx"},
                                            {"clean_answer_idx", "corrupted_answer_idx"},
                                            {"answers_idx", "corrupted_answers_idx"}};

const AnswerColumns& answer_columns(const std::vector<std::string>& header, const std::string& path) {
  const auto has = [&](const char* name) { return std::count(header.begin(), header.end(), name) > 0; };
  if (has("clean") && has("corrupted")) {
    for (const AnswerColumns& columns : kAnswerColumns) {
      if (has(columns.correct) && has(columns.wrong)) return columns;
    }
  }
  std::string found;
  for (const std::string& name : header) found += (found.empty() ? "'" : ", '") + name + "'";
  fail(path,
       "found columns {}, expected clean, corrupted and a pair of answers: correct_idx and incorrect_idx, "
       "clean_answer_idx and corrupted_answer_idx, or answers_idx and corrupted_answers_idx.",
       found);
}

// "262" or "[262, 1101]".
std::vector<int64_t> ids_of(const std::string& cell, const std::string& column, const std::string& place) {
  const Json value = Json::parse(cell, nullptr, false);
  std::vector<int64_t> ids;
  for (const Json& item : value.is_array() ? value : Json::array({value})) {
    if (!item.is_number_integer()) fail(place, "{}: found '{}', expected a token id or a list of them.", column, cell);
    // A set: published lists hold the same id twice.
    const auto id = item.get<int64_t>();
    if (std::count(ids.begin(), ids.end(), id) == 0) ids.push_back(id);
  }
  return ids;
}

// Empty: the row can be a record.
std::string refusal(const std::string& clean, const std::string& corrupted, const std::vector<int64_t>& correct,
                    const std::vector<int64_t>& wrong, const ImportOptions& options) {
  if (clean.empty() || corrupted.empty()) return "a text is empty";
  if (correct.empty() || wrong.empty()) return "a list of answers is empty";
  for (const int64_t id : correct) {
    if (std::count(wrong.begin(), wrong.end(), id) > 0) return "an answer is in both lists";
  }
  if (options.tokenizer == nullptr) return "";
  const auto length = [&](const std::string& text) {
    return options.tokenizer->encode(text, SpecialTokens::kNone).size();
  };
  if (length(clean) != length(corrupted)) return "clean and corrupted have different numbers of tokens";
  const auto vocabulary = static_cast<int64_t>(options.tokenizer->vocab_size());
  for (const auto* ids : {&correct, &wrong}) {
    for (const int64_t id : *ids) {
      if (id < 0 || id >= vocabulary) return "an id is outside the vocabulary";
    }
  }
  return "";
}

ImportReport import_eap_ig_csv(const std::vector<std::string>& files, const ImportOptions& options,
                               const EmitRecord& emit) {
  ImportReport report;
  for (const std::string& path : files) {
    const MappedFile file(path);
    const AnswerColumns& columns = answer_columns(csv_header(file.text(), path), path);
    each_csv_row(file.text(), path, [&](const CsvRow& row) {
      ++report.rows;
      const std::string& clean = row.at("clean");
      const std::string& corrupted = row.at("corrupted");
      const std::vector<int64_t> correct = ids_of(row.at(columns.correct), columns.correct, row.place());
      const std::vector<int64_t> wrong = ids_of(row.at(columns.wrong), columns.wrong, row.place());
      const std::string reason = refusal(clean, corrupted, correct, wrong, options);
      if (!reason.empty()) {
        ++report.refused[reason];
        return;
      }
      emit({{"text", clean},
            {"counterfactual", corrupted},
            {"readouts", Json::array({{{"correct_id", correct}, {"wrong_id", wrong}}})}});
      ++report.records;
    });
  }
  return report;
}

}  // namespace

Importer eap_ig_csv_importer() {
  return {"eap-ig-csv",
          "CSV of EAP-IG: clean, corrupted, correct_idx, incorrect_idx",
          0,
          "pairs with the ids of two answers",
          "always",
          TokenizerUse::kOptional,
          RecordKind::kReadouts,
          import_eap_ig_csv};
}

}  // namespace circuit
