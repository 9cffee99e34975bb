#include "task/importers/pronouns.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace circuit {
namespace {

std::string capital(std::string word) {
  if (!word.empty()) word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
  return word;
}

// The tokens of `word` when it stands after `before`: ids, or none when its first token begins inside
// `before`.
std::vector<int64_t> tokens_in_place(const Tokenizer& tokenizer, const std::string& before, const std::string& word) {
  std::vector<int64_t> ids;
  for (const Token& token : tokenizer.encode_with_offsets(before + word, SpecialTokens::kNone)) {
    if (token.end <= before.size()) continue;
    const std::string cut = before.substr(std::min(token.begin, before.size()));
    if (cut.find_first_not_of(' ') != std::string::npos) return {};
    ids.push_back(token.id);
  }
  return ids;
}

}  // namespace

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

Gender gender_of_pronoun(const std::string& word) {
  static const std::set<std::string> male{"he", "him", "his", "himself"};
  static const std::set<std::string> female{"she", "her", "hers", "herself"};
  const std::string lower = lower_case(word);
  if (male.count(lower) > 0) return Gender::kMale;
  return female.count(lower) > 0 ? Gender::kFemale : Gender::kNone;
}

std::optional<std::string> emit_pronoun_record(const std::string& text, const std::string& occupation,
                                               const PronounUse& use, const ImportOptions& options,
                                               const EmitRecord& emit, ImportReport* report) {
  const bool upper = std::isupper(static_cast<unsigned char>(use.pronoun[0])) != 0;
  const std::string opposite = upper ? capital(use.opposite) : use.opposite;
  const std::string before = text.substr(0, use.byte);
  if (before.find_first_not_of(' ') == std::string::npos)
    return "the pronoun is the first word, which nothing predicts";
  const std::string space = before.back() == ' ' ? " " : "";
  Json readout{{"byte", use.byte}, {"correct", space + use.pronoun}, {"wrong", space + opposite}};
  if (options.tokenizer != nullptr) {
    const std::vector<int64_t> correct = tokens_in_place(*options.tokenizer, before, use.pronoun);
    const std::vector<int64_t> wrong = tokens_in_place(*options.tokenizer, before, opposite);
    if (correct.empty() || wrong.empty()) return "a pronoun begins inside a token";
    if (correct[0] == wrong[0]) return "both pronouns begin with the same token";
    if (correct.size() > 1 || wrong.size() > 1) {
      readout = {
          {"byte", use.byte}, {"correct_id", correct[0]}, {"wrong_id", wrong[0]}, {"label", space + use.pronoun}};
      ++report->counts["records with the ids of first tokens"];
    }
  }
  const bool male = gender_of_pronoun(use.pronoun) == Gender::kMale;
  emit({{"text", text},
        {"occupation", occupation},
        {"gender", male ? "male" : "female"},
        {"readouts", Json::array({readout})}});
  ++report->records;
  return std::nullopt;
}

}  // namespace circuit
