// BUG (Levy, Lazar, Stanovsky 2021): sentences with an occupation and a pronoun. Words are separated by
// single spaces; g_first_index counts them.
#include <charconv>

#include "core/error.h"
#include "io/csv.h"
#include "io/files.h"
#include "task/importers/pronouns.h"

namespace circuit {
namespace {

std::vector<std::string> split_at_spaces(const std::string& text) {
  std::vector<std::string> words{""};
  for (const char c : text) {
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

size_t word_index(const CsvRow& row) {
  const std::string& cell = row.at("g_first_index");
  size_t index = 0;
  const auto parsed = std::from_chars(cell.data(), cell.data() + cell.size(), index);
  if (parsed.ec != std::errc() || parsed.ptr != cell.data() + cell.size()) {
    fail(row.place(), "g_first_index: found '{}', expected the index of a word.", cell);
  }
  return index;
}

// The opposite pronoun, and the rule that gave it; a null opposite for a word that has none.
HerReading opposite_of(const std::vector<std::string>& words, size_t at) {
  const std::string pronoun = lower_case(words[at]);
  if (pronoun == "her") return read_her(words, at);
  constexpr struct {
    const char* pronoun;
    HerReading reading;
  } kOpposites[] = {{"he", {"she", "he → she"}},
                    {"she", {"he", "she → he"}},
                    {"him", {"her", "him → her"}},
                    {"his", {"her", "his → her"}},
                    {"hers", {"his", "hers → his"}},
                    {"himself", {"herself", "himself → herself"}},
                    {"herself", {"himself", "herself → himself"}}};
  for (const auto& entry : kOpposites) {
    if (pronoun == entry.pronoun) return entry.reading;
  }
  return {nullptr, nullptr};
}

void import_row(const CsvRow& row, const ImportOptions& options, const EmitRecord& emit, ImportReport* report) {
  ++report->rows;
  const std::string& text = row.at("sentence_text");
  const std::vector<std::string> words = split_at_spaces(text);
  const size_t at = word_index(row);
  if (at >= words.size() || lower_case(words[at]) != lower_case(row.at("g"))) {
    ++report->refused["the pronoun is not the word at g_first_index"];
    return;
  }
  const HerReading reading = opposite_of(words, at);
  if (reading.opposite == nullptr) {
    ++report->refused["the word is no pronoun with an opposite"];
    return;
  }
  PronounUse use;
  for (size_t i = 0; i < at; ++i) use.byte += words[i].size() + 1;
  use.pronoun = words[at];
  use.opposite = reading.opposite;
  const auto reason = emit_pronoun_record(text, lower_case(row.at("profession")), use, options, emit, report);
  ++(reason ? report->refused[*reason] : report->counts[reading.rule]);
}

ImportReport import_bug(const std::vector<std::string>& files, const ImportOptions& options, const EmitRecord& emit) {
  ImportReport report;
  for (const std::string& path : files) {
    const MappedFile file(path);
    each_csv_row(file.text(), path, [&](const CsvRow& row) { import_row(row, options, emit, &report); });
  }
  return report;
}

}  // namespace

Importer bug_importer() {
  return {"bug",
          "BUG's CSV",
          0,
          "a pronoun against the opposite one, by occupation",
          "auto",
          TokenizerUse::kOptional,
          RecordKind::kReadouts,
          import_bug};
}

}  // namespace circuit
