#include "task/pair_makers/words.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/setting_name.h"

namespace circuit {
namespace {

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Bytes of the letter or digit at `at`; 0: none stands there. General punctuation (U+2000 to U+206F: dashes, quotation
// marks) is none, other characters beyond ASCII are letters.
size_t letter_at(const std::string& text, size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return is_ascii_letter(text[at]) || (byte >= '0' && byte <= '9') ? 1 : 0;
  if ((byte & 0xC0) == 0x80) return 0;  // inside a character
  const std::string_view rest = std::string_view(text).substr(at);
  const bool is_mark =
      rest.substr(0, 2) == "\xE2\x80" || rest.substr(0, 2) == "\xC2\xAB" || rest.substr(0, 2) == "\xC2\xBB";
  if (is_mark) return 0;
  size_t size = 1;
  while (size < rest.size() && (static_cast<unsigned char>(rest[size]) & 0xC0) == 0x80) ++size;
  return size;
}

// Bytes of a mark that belongs to a word where letters stand on both sides; 0: none.
size_t joint_at(const std::string& text, size_t at) {
  if (text[at] == '\'' || text[at] == '-') return 1;
  return text.compare(at, 3, "\xE2\x80\x99") == 0 ? 3 : 0;  // ’
}

}  // namespace

std::vector<Word> words_of(const std::string& text) {
  std::vector<Word> words;
  size_t gap = 0;  // where the last word ended
  for (size_t at = 0; at < text.size();) {
    if (letter_at(text, at) == 0) {
      ++at;
      continue;
    }
    const size_t begin = at;
    while (at < text.size()) {
      if (const size_t letter = letter_at(text, at); letter > 0) {
        at += letter;
        continue;
      }
      const size_t joint = joint_at(text, at);
      if (joint == 0 || at + joint >= text.size() || letter_at(text, at + joint) == 0) break;
      at += joint;
    }
    const bool spaces = text.find_first_not_of(" \t", gap) == begin;
    words.push_back({{begin, at}, text.substr(begin, at - begin), !words.empty() && spaces});
    gap = at;
  }
  return words;
}

void WordPairs::add(const std::string& singular, const std::string& plural) {
  forms_[singular] = {false, plural};
  forms_[plural] = {true, singular};
}

void WordPairs::add(const std::vector<std::string>& pairs, const std::string& setting_name) {
  for (const std::string& pair : pairs) {
    const size_t colon = pair.find(':');
    const auto is_word = [](const std::string& word) {
      const std::vector<Word> words = words_of(word);
      return words.size() == 1 && words[0].text == word && std::none_of(word.begin(), word.end(), is_upper);
    };
    const bool fits = colon != std::string::npos && is_word(pair.substr(0, colon)) && is_word(pair.substr(colon + 1)) &&
                      pair.substr(0, colon) != pair.substr(colon + 1);
    if (!fits) {
      throw UsageError(fmt::format("[pairs] {}: found '{}', expected SINGULAR:PLURAL in small letters.",
                                   setting(setting_name), pair));
    }
    add(pair.substr(0, colon), pair.substr(colon + 1));
  }
}

std::optional<NumberedWord> WordPairs::find(const std::string& word) const {
  if (word.empty()) return std::nullopt;
  std::string key = word;
  if (is_upper(key[0])) key[0] = static_cast<char>(key[0] - 'A' + 'a');
  const auto found = forms_.find(key);
  if (found == forms_.end()) return std::nullopt;
  NumberedWord form = found->second;
  char& first = form.other[0];
  if (is_upper(word[0]) && first >= 'a' && first <= 'z') first = static_cast<char>(first - 'a' + 'A');
  return form;
}

}  // namespace circuit
