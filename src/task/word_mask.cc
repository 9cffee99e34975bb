#include "task/word_mask.h"

#include <algorithm>

namespace circuit {
namespace {

// Letters beyond ASCII are several bytes, all of them above 127.
bool is_in_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

bool stands_alone(const std::string& text, size_t begin, size_t end) {
  return (begin == 0 || !is_in_word(text[begin - 1])) && (end == text.size() || !is_in_word(text[end]));
}

std::string trimmed(const std::string& text) {
  constexpr const char* kWhite = " \t\n\r";
  const size_t begin = text.find_first_not_of(kWhite);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

// Of an id that no token has (padding of an embedding) nothing.
std::string text_of_token(const Tokenizer& tokenizer, int64_t id) {
  return tokenizer.has(id) ? tokenizer.token_text(id) : "";
}

// The text of tokens one after the other, and where each ends in it. Tokens that make a character together end with it:
// a token of some bytes of a character has no text of its own.
std::string text_of(const Tokenizer& tokenizer, const std::vector<int64_t>& ids, std::vector<size_t>* ends) {
  constexpr const char* kNoCharacter = "\xEF\xBF\xBD";
  constexpr size_t kBytesOfCharacter = 4;
  std::string text;
  for (size_t i = 0; i < ids.size();) {
    std::string part = text_of_token(tokenizer, ids[i]);
    size_t count = 1;
    while (part.find(kNoCharacter) != std::string::npos && count < kBytesOfCharacter && i + count < ids.size()) {
      ++count;
      const auto first = ids.begin() + static_cast<int64_t>(i);
      std::string together =
          tokenizer.decode({first, first + static_cast<int64_t>(count)}, SpecialTokens::kAdd, UnknownIds::kNothing);
      if (together.find(kNoCharacter) == std::string::npos) part = std::move(together);
    }
    // No character, however many: a byte that is none.
    if (part.find(kNoCharacter) != std::string::npos) count = 1;
    text += part;
    for (size_t t = 0; t < count; ++t) ends->push_back(text.size());
    i += count;
  }
  return text;
}

}  // namespace

std::vector<bool> tokens_of_words(const Tokenizer& tokenizer, const std::vector<int64_t>& ids,
                                  const std::set<std::string>& words) {
  std::vector<bool> masked(ids.size());
  if (words.empty()) return masked;
  std::vector<size_t> end;
  const std::string text = text_of(tokenizer, ids, &end);
  for (const std::string& word : words) {
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      if (!stands_alone(text, at, at + word.size())) continue;
      // The first token that ends behind the word's begin, and all up to the one that reaches its end.
      auto token = std::upper_bound(end.begin(), end.end(), at);
      const auto last = std::lower_bound(token, end.end(), at + word.size());
      // Tokens of one character end together.
      const auto behind = last == end.end() ? last : std::upper_bound(last, end.end(), *last);
      for (; token != behind; ++token) masked[token - end.begin()] = true;
    }
  }
  return masked;
}

std::set<std::string> readout_words(const Tokenizer& tokenizer, const std::vector<Example>& examples) {
  std::set<int64_t> ids;
  for (const Example& e : examples) {
    for (const Readout& r : e.readouts) {
      ids.insert(r.correct.begin(), r.correct.end());
      ids.insert(r.wrong.begin(), r.wrong.end());
    }
  }
  std::set<std::string> words;
  for (const int64_t id : ids) {
    std::string word = trimmed(text_of_token(tokenizer, id));
    if (!word.empty()) words.insert(std::move(word));
  }
  return words;
}

}  // namespace circuit
