// WinoBias type 2 (Zhao et al. 2018) as the authors of circuit-tuning split it: two files of which line i of
// one is line i of the other with the pronoun exchanged. Records are made of the first file; the opposite
// pronoun is the partner's, so that "her" needs no rule (method.md §7).
#include "core/error.h"
#include "io/files.h"
#include "task/importers/pronouns.h"

namespace circuit {
namespace {

struct Line {
  std::string sentence, bracketed, pronoun, occupation, place;
};

std::vector<Line> read_lines(const std::string& path) {
  std::vector<Line> lines;
  const MappedFile file(path);
  each_json_line(file.text(), path, [&](const Json& record, const std::string& place) {
    lines.push_back({require_string(record, "sentence", place), require_string(record, "orig_sentence", place),
                     require_string(record, "pronoun", place), require_string(record, "occupation", place), place});
  });
  return lines;
}

// The sentence without its brackets, and where the first bracketed `pronoun` begins in it; npos when there is
// none.
std::string without_brackets(const std::string& text, const std::string& pronoun, size_t* byte) {
  *byte = std::string::npos;
  const size_t marked = text.find("[" + pronoun + "]");
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == marked) *byte = plain.size();
    if (text[i] != '[' && text[i] != ']') plain += text[i];
  }
  return plain;
}

// Lower case, without determiner: "A housekeeper" → "housekeeper".
std::string occupation_of(const std::string& text) {
  std::string name = lower_case(text);
  name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
  for (const char* determiner : {"the ", "an ", "a "}) {
    if (name.rfind(determiner, 0) == 0) return name.substr(std::string(determiner).size());
  }
  return name;
}

// he/she, him/her, his/her and the reflexives; "she" against "him" is a slip of the published files.
bool are_opposites(const std::string& a, const std::string& b) {
  if (gender_of_pronoun(a) == Gender::kFemale) return gender_of_pronoun(b) == Gender::kMale && are_opposites(b, a);
  const std::string male = lower_case(a);
  const std::string female = lower_case(b);
  if (male == "he") return female == "she";
  if (male == "him") return female == "her";
  if (male == "his") return female == "her" || female == "hers";
  return male == "himself" && female == "herself";
}

ImportReport import_winobias(const std::vector<std::string>& files, const ImportOptions& options,
                             const EmitRecord& emit) {
  const std::vector<Line> lines = read_lines(files[0]);
  const std::vector<Line> partners = read_lines(files[1]);
  if (lines.size() != partners.size()) {
    fail(files[1], "found {} lines, but {} has {}: line i of one must be the partner of line i of the other.",
         partners.size(), files[0], lines.size());
  }
  ImportReport report;
  for (size_t i = 0; i < lines.size(); ++i) {
    ++report.rows;
    const Line& line = lines[i];
    const Line& partner = partners[i];
    PronounUse use;
    use.pronoun = line.pronoun;
    use.opposite = lower_case(partner.pronoun);
    if (gender_of_pronoun(line.pronoun) == gender_of_pronoun(partner.pronoun)) {
      ++report.refused["both pronouns are of one gender"];
      continue;
    }
    if (!are_opposites(line.pronoun, partner.pronoun)) {
      ++report.refused["the pronouns are not each other's opposite"];
      continue;
    }
    if (without_brackets(line.bracketed, line.pronoun, &use.byte) != line.sentence || use.byte == std::string::npos) {
      ++report.refused["the sentence has no bracketed pronoun"];
      continue;
    }
    size_t partner_byte = 0;
    std::string expected = without_brackets(partner.bracketed, partner.pronoun, &partner_byte);
    if (partner_byte != std::string::npos) expected.replace(partner_byte, partner.pronoun.size(), line.pronoun);
    const bool same = expected == line.sentence;
    const std::string occupation = occupation_of(line.occupation);
    if (occupation.empty()) fail(line.place, "occupation: is empty.");
    const auto reason = emit_pronoun_record(line.sentence, occupation, use, options, emit, &report);
    if (reason) {
      ++report.refused[*reason];
    } else if (!same) {
      ++report.counts["records whose partner differs in more than the pronoun"];
    }
  }
  return report;
}

}  // namespace

Importer winobias_importer() {
  return {"winobias",
          "PRO ANTI: the pro- and the anti-stereotyped file of type 2, as JSONL",
          2,
          "a pronoun against the opposite one, by occupation",
          "auto",
          TokenizerUse::kOptional,
          RecordKind::kReadouts,
          import_winobias};
}

}  // namespace circuit
