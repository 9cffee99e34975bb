// Subject-verb agreement: the subject's noun in the other number, read at the verb. English is not parsed: a pair is
// made where the words before the verb are a noun phrase that begins its clause, with prepositional phrases behind it
// or none
// ("The keys to the cabinet | are"). All else is refused, and said.
#include <algorithm>
#include <iterator>

#include "task/pair_makers/pair_maker.h"
#include "task/pair_makers/words.h"

namespace circuit {
namespace {

template <size_t N>
bool is_one_of(const char* const (&list)[N], std::string word) {
  if (!word.empty() && word[0] >= 'A' && word[0] <= 'Z') word[0] = static_cast<char>(word[0] - 'A' + 'a');
  return std::any_of(std::begin(list), std::end(list), [&](const char* known) { return word == known; });
}

// Determiners of both numbers; "this" and "that" change with their noun. Others, and none, say the number themselves.
constexpr const char* kDeterminers[] = {"the", "my", "your", "his", "her", "its", "our", "their", "whose"};
constexpr const char* kPrepositions[] = {"above", "across",   "around", "at",     "behind", "below", "beside",
                                         "by",    "from",     "in",     "inside", "into",   "near",  "of",
                                         "on",    "opposite", "over",   "to",     "under",  "with",  "without"};
// A clause may begin behind these.
constexpr const char* kOpeners[] = {"although", "because", "but",     "how",   "if",   "so",   "that",
                                    "though",   "unless",  "whether", "where", "when", "while"};
constexpr const char* kAdverbs[] = {"also",  "always", "already", "clearly", "ever",  "never",  "now",
                                    "often", "only",   "really",  "simply",  "still", "usually"};
// Between determiner and noun these say a number, or begin another phrase.
constexpr const char* kNoModifiers[] = {"a",    "an",   "and", "another", "each",    "either", "every", "few",
                                        "many", "one",  "or",  "other",   "several", "some",   "two",   "three",
                                        "four", "five", "ten", "both",    "who",     "which",  "that",  "whom",
                                        "all",  "nor",  "way", "time",    "day",     "moment"};

constexpr const char* kNoVerb = "no verb of the list";
constexpr const char* kNoNoun = "no noun phrase with a noun of the list right before the verb";
constexpr const char* kNoDeterminer = "the noun has no determiner that fits both numbers";
constexpr const char* kNoClause = "the noun phrase does not begin its clause: another word may be the subject";
constexpr const char* kDisagrees = "the verb does not agree with the noun before it";

struct NounPhrase {
  size_t determiner = 0;  // indices of words
  size_t noun = 0;
  NumberedWord form;
};

class AgreementPairs {
 public:
  explicit AgreementPairs(const PairOptions& options) : nouns_(common_nouns()), verbs_(common_verbs()) {
    demonstratives_.add("this", "these");
    demonstratives_.add("that", "those");
    for (const auto& [name, words] : options.words) (name == "nouns" ? nouns_ : verbs_).add(words, name);
  }

  void operator()(const PairSource& source, PairWriter* writer) const {
    const std::vector<Word> words = words_of(source.text);
    bool found = false;
    for (size_t verb = 0; verb < words.size(); ++verb) {
      const auto form = verbs_.find(words[verb].text);
      // A capital begins a question ("Is the key …?"), whose subject comes after.
      if (!form || words[verb].text == with_capital(words[verb].text)) continue;
      found = true;
      PairDraft draft;
      const char* reason = draft_pair(source.text, words, verb, *form, &draft);
      reason != nullptr ? writer->refuse(reason) : writer->write_or_refuse(draft, source.place);
    }
    if (!found) writer->refuse(kNoVerb);
  }

 private:
  static std::string with_capital(std::string word) {
    if (word[0] >= 'a' && word[0] <= 'z') word[0] = static_cast<char>(word[0] - 'a' + 'A');
    return word;
  }

  // The phrase whose noun is words[at], or why there is none.
  const char* phrase_at(const std::vector<Word>& words, size_t at, NounPhrase* phrase) const {
    const auto form = nouns_.find(words[at].text);
    if (!form) return kNoNoun;
    size_t first = at;
    for (int step = 0; step < 2; ++step) {
      if (first == 0 || !words[first].adjoins) return kNoDeterminer;
      --first;
      const std::string& word = words[first].text;
      const auto shown = demonstratives_.find(word);
      if (is_one_of(kDeterminers, word) || (shown && shown->is_plural == form->is_plural)) {
        *phrase = {first, at, *form};
        return nullptr;
      }
      // One word may stand between: an adjective, or a noun that is not of the list.
      const bool modifies = !nouns_.find(word) && !verbs_.find(word) && !shown && !is_one_of(kNoModifiers, word) &&
                            !is_one_of(kPrepositions, word) && word.find('\'') == std::string::npos;
      if (!modifies) return kNoDeterminer;
    }
    return kNoDeterminer;
  }

  // The subject's phrase: the one that ends at words[at], or, where that is a preposition's, the one before it.
  const char* subject_at(const std::vector<Word>& words, size_t at, NounPhrase* subject) const {
    const char* reason = phrase_at(words, at, subject);
    while (reason == nullptr) {
      const size_t first = subject->determiner;
      if (first == 0 || !words[first].adjoins || is_one_of(kOpeners, words[first - 1].text)) return nullptr;
      if (!is_one_of(kPrepositions, words[first - 1].text) || first < 2 || !words[first - 1].adjoins) return kNoClause;
      reason = phrase_at(words, first - 2, subject);
    }
    return reason;
  }

  const char* draft_pair(const std::string& text, const std::vector<Word>& words, size_t verb, const NumberedWord& form,
                         PairDraft* draft) const {
    if (verb == 0 || !words[verb].adjoins) return kNoNoun;
    size_t last = verb - 1;
    if (is_one_of(kAdverbs, words[last].text) && words[last].adjoins && last > 0) --last;
    NounPhrase subject;
    if (const char* reason = subject_at(words, last, &subject)) return reason;
    if (subject.form.is_plural != form.is_plural) return kDisagrees;
    std::vector<std::pair<Range, std::string>> changes;
    if (const auto shown = demonstratives_.find(words[subject.determiner].text)) {
      changes.emplace_back(words[subject.determiner].bytes, shown->other);
    }
    changes.emplace_back(words[subject.noun].bytes, subject.form.other);
    for (const auto& change : changes) draft->changed.push_back(change.first);
    draft->text = text.substr(0, words[verb - 1].bytes.end);
    draft->counterfactual = replaced(draft->text, changes);
    draft->answer = " " + words[verb].text;
    draft->wrong = " " + form.other;
    draft->spans = {{"subject", words[subject.noun].bytes}};
    return nullptr;
  }

  WordPairs nouns_, verbs_, demonstratives_;
};

}  // namespace

PairMaker agreement_pairs() {
  return {"agreement",
          "English sentences",
          "the subject's noun in the other number; is against are, read before the verb",
          {},
          {"nouns", "verbs"},
          [](const PairOptions& options) -> MakePairs { return AgreementPairs(options); }};
}

}  // namespace circuit
