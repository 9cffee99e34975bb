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

}  // namespace

std::vector<bool> tokens_of_words(const Tokenizer& tokenizer, const std::vector<int64_t>& ids,
                                  const std::set<std::string>& words) {
  std::vector<bool> masked(ids.size());
  if (words.empty()) return masked;
  std::string text;
  std::vector<size_t> end;  // of each token in it
  for (const int64_t id : ids) {
    text += tokenizer.token_text(id);
    end.push_back(text.size());
  }
  for (const std::string& word : words) {
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      if (!stands_alone(text, at, at + word.size())) continue;
      // The first token that ends behind the word's begin, and all up to the one that reaches its end.
      auto token = std::upper_bound(end.begin(), end.end(), at);
      for (; token != end.end(); ++token) {
        masked[token - end.begin()] = true;
        if (*token >= at + word.size()) break;
      }
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
    std::string word = trimmed(tokenizer.token_text(id));
    if (!word.empty()) words.insert(std::move(word));
  }
  return words;
}

}  // namespace circuit
