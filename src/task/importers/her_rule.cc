#include <set>

#include "task/importers/pronouns.h"

namespace circuit {
namespace {

using Words = std::set<std::string>;

// Words that cannot open a noun phrase after a possessive: "her" before one is an object.
const Words kNoNounPhrase{
    // determiners and pronouns
    "a", "an", "the", "this", "that", "these", "those", "some", "any", "each", "every", "no", "another", "all", "both",
    "i", "you", "he", "she", "it", "we", "they", "me", "him", "us", "them", "my", "your", "his", "her", "its", "our",
    "their", "himself", "herself", "itself", "themselves", "who", "whom", "whose", "which", "what",
    // prepositions
    "about", "above", "across", "after", "against", "along", "among", "around", "as", "at", "before", "behind", "below",
    "beneath", "beside", "besides", "between", "beyond", "by", "despite", "down", "during", "except", "for", "from",
    "in", "inside", "into", "like", "near", "of", "off", "on", "onto", "out", "outside", "over", "per", "since", "than",
    "through", "throughout", "till", "to", "toward", "towards", "under", "until", "up", "upon", "via", "with", "within",
    "without",
    // conjunctions and question words
    "and", "or", "but", "nor", "yet", "so", "because", "although", "though", "while", "whilst", "if", "unless",
    "whether", "when", "where", "why", "how", "once", "lest", "whereas",
    // auxiliaries and modals
    "am", "is", "are", "was", "were", "be", "been", "being", "has", "have", "had", "do", "does", "did", "will", "would",
    "can", "could", "shall", "should", "may", "might", "must", "not", "n't",
    // adverbs that follow an object
    "again", "ago", "alone", "already", "also", "always", "anymore", "anyway", "apart", "aside", "away", "either",
    "else", "enough", "ever", "however", "immediately", "instead", "later", "never", "now", "often", "personally",
    "quickly", "soon", "still", "there", "therefore", "together", "tomorrow", "tonight", "too", "twice", "well",
    "yesterday"};

// "…let her go": verbs whose object does what the next word says.
const Words kCausative{"make",    "makes",   "made",     "making", "help", "helps", "helped", "helping", "see",
                       "sees",    "saw",     "seen",     "seeing", "hear", "hears", "heard",  "hearing", "watch",
                       "watches", "watched", "watching", "have",   "has",  "had",   "let",    "lets",    "letting"};
const Words kBareVerb{"be",   "become", "come",    "do",      "feel",       "find",  "forget", "get",
                      "give", "go",     "have",    "keep",    "know",       "leave", "lose",   "make",
                      "put",  "read",   "realise", "realize", "see",        "seem",  "sing",   "speak",
                      "stay", "take",   "tell",    "think",   "understand", "want",  "win",    "write"};

// Marks that open a quotation or stand inside brackets: the word after them decides.
const Words kSkipped{"\"", "'", "''", "``", "`", "“", "‘", "[", "]"};

bool is_punctuation(const std::string& word) {
  static const Words kMarks{"–", "—", "…", "”", "’", "·", "•"};
  if (kMarks.count(word) > 0) return true;
  return word.find_first_not_of(".,;:!?()[]{}-/\"'`") == std::string::npos;
}

}  // namespace

HerReading read_her(const std::vector<std::string>& words, size_t at) {
  constexpr HerReading kEnd{"him", "her → him: a mark or the end follows"};
  size_t next = at + 1;
  while (next < words.size() && (words[next].empty() || kSkipped.count(words[next]) > 0)) ++next;
  if (next >= words.size() || is_punctuation(words[next])) return kEnd;
  const std::string follows = lower_case(words[next]);
  // "in a co-star's" and "her all-time best" are one phrase: a hyphen binds the function word to what
  // follows.
  const bool hyphen = next + 1 < words.size() && words[next + 1] == "-";
  if (kNoNounPhrase.count(follows) > 0 && !hyphen) return {"him", "her → him: a function word follows"};
  const std::string before = at > 0 ? lower_case(words[at - 1]) : "";
  if (kCausative.count(before) > 0 && kBareVerb.count(follows) > 0) {
    return {"him", "her → him: a bare verb follows, after let, make, help, see …"};
  }
  return {"his", "her → his: a noun phrase follows"};
}

}  // namespace circuit
