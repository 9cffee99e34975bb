// The words of a text, and words that come in two forms.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/aligned_text.h"

namespace circuit {

struct Word {
  Range bytes;
  std::string text;
  bool adjoins = false;  // nothing but spaces stands between it and the word before it
};

// Runs of letters and digits, with apostrophes and hyphens between letters: "half-drawn", "John's".
std::vector<Word> words_of(const std::string& text);

// A word of a number pair: which number it has, and its other form, in the same case of its first letter.
struct NumberedWord {
  bool is_plural = false;
  std::string other;
};

// Pairs of a singular and a plural form.
class WordPairs {
 public:
  void add(const std::string& singular, const std::string& plural);
  // What the user lists: "key:keys". Throws UsageError naming the setting.
  void add(const std::vector<std::string>& pairs, const std::string& setting_name);
  // Of a word in small letters, but for its first.
  std::optional<NumberedWord> find(const std::string& word) const;

 private:
  std::map<std::string, NumberedWord> forms_;
};

// English nouns (author, authors; woman, women) and verbs (is, are).
WordPairs common_nouns();
WordPairs common_verbs();

}  // namespace circuit
