// Two names exchanged wherever they stand: what holds of the one holds of the other, and so does the answer.
#include <algorithm>
#include <iterator>

#include "task/pair_makers/given_names.h"
#include "task/pair_makers/words.h"

namespace circuit {
namespace {

// They may say who is meant whatever the names, which an exchange does not change.
constexpr const char* kGenderedWords[] = {"he",      "she",     "him", "her",   "his", "hers",
                                          "himself", "herself", "man", "woman", "boy", "girl"};

bool has_gendered_word(const std::string& text) {
  const std::vector<Word> words = words_of(text);
  return std::any_of(words.begin(), words.end(), [](const Word& word) {
    std::string small = word.text;
    if (small[0] >= 'A' && small[0] <= 'Z') small[0] = static_cast<char>(small[0] - 'A' + 'a');
    return std::find(std::begin(kGenderedWords), std::end(kGenderedWords), small) != std::end(kGenderedWords);
  });
}

class SwappedNamePairs {
 public:
  explicit SwappedNamePairs(const PairOptions& options) : names_(given_names(options)) {}

  void operator()(const PairSource& source, PairWriter* writer) const {
    NamedText named;
    const std::string reason = read_names(source.text, names_, &named);
    if (!reason.empty()) return writer->refuse(reason);
    if (has_gendered_word(named.text)) return writer->refuse("a pronoun or noun of one gender may say who is meant");
    PairDraft draft;
    std::vector<std::pair<Range, std::string>> changes;
    for (const NameMention& m : named.mentions) {
      changes.emplace_back(m.bytes, m.name == named.answer ? named.other : named.answer);
      draft.changed.push_back(m.bytes);
    }
    draft.text = named.text;
    draft.counterfactual = replaced(draft.text, changes);
    draft.answer = named.gap + named.answer;
    draft.wrong = named.gap + named.other;
    writer->write_or_refuse(draft, source.place);
  }

 private:
  std::set<std::string> names_;
};

}  // namespace

PairMaker swapped_name_pairs() {
  return {"swapped-names",
          "texts with two names, the answer last or left out",
          "the two names exchanged wherever they stand; the answer against the other",
          {},
          {"names"},
          [](const PairOptions& options) -> MakePairs { return SwappedNamePairs(options); }};
}

}  // namespace circuit
