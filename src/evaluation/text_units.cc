#include "evaluation/text_units.h"

#include <algorithm>
#include <set>
#include <vector>

#include "text/unicode.h"

namespace circuit {
namespace {

bool space_at(const std::string& text, size_t at) { return is_white_space(code_point_at(text, at).value); }

bool one_of(const char* characters, char c) {
  return c != 0 && std::string_view(characters).find(c) != std::string_view::npos;
}

std::vector<std::string> between_white_space(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t at = 0; at < text.size();) {
    const size_t size = code_point_at(text, at).size;
    if (!space_at(text, at)) {
      word.append(text, at, size);
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
    at += size;
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

// Where the Treebank's rules end a word that goes on: n't, 'll, 're, 've, 's, 'm, 'd, and words written as one.
std::vector<std::string> treebank_parts(const std::string& word) {
  const std::string lower = lower_case(word);
  if (lower.size() == word.size()) {
    static const std::vector<std::pair<std::string, size_t>> written_as_one{{"cannot", 3}, {"gimme", 3}, {"gonna", 3},
                                                                            {"gotta", 3},  {"lemme", 3}, {"wanna", 3}};
    for (const auto& [whole, first] : written_as_one) {
      if (lower == whole) return {word.substr(0, first), word.substr(first)};
    }
    for (const std::string ending : {"n't", "'ll", "'re", "'ve", "'s", "'m", "'d"}) {
      if (lower.size() > ending.size() && lower.compare(lower.size() - ending.size(), ending.size(), ending) == 0) {
        const size_t first = word.size() - ending.size();
        return {word.substr(0, first), word.substr(first)};
      }
    }
  }
  return {word};
}

// The marks that the Treebank's rules make words of their own become white space.
std::string without_marks(const std::string& text) {
  std::string plain;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const char next = at + 1 < text.size() ? text[at + 1] : ' ';
    const bool is_mark = c.value < 0x80
                             ? one_of(";@#$%&?![](){}<>\"`", text[at])
                             : c.value == 0xAB || c.value == 0xBB || (c.value >= 0x2018 && c.value <= 0x201E);
    const bool is_break = one_of(",:", text[at]) && (next < '0' || next > '9');
    const bool is_run = (text[at] == '.' || text[at] == '-') && next == text[at];
    if (is_run) {
      const size_t end = std::min(text.find_first_not_of(text[at], at), text.size());
      plain += ' ';
      at = end;
      continue;
    }
    if (is_mark || is_break) {
      plain += ' ';
    } else {
      plain.append(text, at, c.size);
    }
    at += c.size;
  }
  return plain;
}

bool all_of_case(const std::string& text, LetterCase wanted) {
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const LetterCase found = letter_case(c.value);
    if (found != LetterCase::kNone && found != wanted) return false;
    any = any || found == wanted;
    at += c.size;
  }
  return any;
}

// A run of end marks with closing marks between and behind it: "?\".", "...)".
struct SentenceEnd {
  size_t begin = 0;
  size_t marks_end = 0;  // of the first run of end marks
  size_t end = 0;
};

constexpr const char* kEndMarks = ".?!";

size_t closing_size(const std::string& text, size_t at) {
  if (one_of("\"')]}*", text[at])) return 1;
  const CodePoint c = code_point_at(text, at);
  return c.value == 0x201D || c.value == 0x2019 ? c.size : 0;
}

SentenceEnd sentence_end_at(const std::string& text, size_t at) {
  SentenceEnd found{at, std::min(text.find_first_not_of(kEndMarks, at), text.size()), 0};
  found.end = found.marks_end;
  while (found.end < text.size()) {
    const size_t size = one_of(kEndMarks, text[found.end]) ? 1 : closing_size(text, found.end);
    if (size == 0) break;
    found.end += size;
  }
  return found;
}

bool is_abbreviation(const std::string& word) {
  static const std::set<std::string> known{
      "mr",   "mrs", "ms",  "dr",   "prof", "st",  "jr",     "sr",  "vs",  "gen", "col", "capt", "sgt", "rev",
      "inc",  "ltd", "co",  "corp", "dept", "est", "approx", "jan", "feb", "mar", "apr", "jun",  "jul", "aug",
      "sept", "sep", "oct", "nov",  "dec",  "ave", "blvd",   "rd",  "mt",  "ft",  "vol", "pp",   "ed",  "eds"};
  return known.count(word) > 0;
}

// "e.g", "u.s": single letters with dots between.
bool is_dotted(const std::string& word) {
  for (size_t i = 0; i < word.size(); ++i) {
    if ((i % 2 == 1) != (word[i] == '.') || (i % 2 == 0 && (word[i] < 'a' || word[i] > 'z'))) return false;
  }
  return word.size() >= 3 && word.size() % 2 == 1;
}

// Words that, with a capital, tell that a sentence begins.
bool opens_sentence(const std::string& word) {
  static const std::set<std::string> openers{"the",   "it",    "he",    "she", "they", "we", "you", "this", "that",
                                             "these", "those", "there", "in",  "on",   "at", "but", "and",  "if",
                                             "when",  "for",   "as",    "i",   "a",    "an", "so"};
  return openers.count(word) > 0;
}

std::string next_word(const std::string& text, size_t at) {
  at += leading_white_space(std::string_view(text).substr(at));
  size_t end = at;
  while (end < text.size() && !space_at(text, end)) end += code_point_at(text, end).size;
  return text.substr(at, end - at);
}

// The word before a full stop, in small letters, without marks before it.
std::string word_before(const std::string& text, size_t end) {
  size_t begin = end;
  while (begin > 0) {
    const size_t before = previous_code_point(text, begin);
    if (space_at(text, before)) break;
    begin = before;
  }
  while (begin < end && !is_word_character(code_point_at(text, begin).value)) begin += code_point_at(text, begin).size;
  return lower_case(text.substr(begin, end - begin));
}

bool starts_with(const std::string& word, LetterCase wanted) {
  return !word.empty() && letter_case(code_point_at(word, 0).value) == wanted;
}

bool full_stop_ends_sentence(const std::string& text, const SentenceEnd& at) {
  const std::string next = next_word(text, at.end);
  const size_t marks = next.find_first_not_of("\"'([{*");
  const std::string bare = marks == std::string::npos ? "" : next.substr(marks);
  const bool capital = starts_with(bare, LetterCase::kUpper);
  const bool small = starts_with(bare, LetterCase::kLower);
  if (at.marks_end - at.begin > 1) return capital;
  const std::string word = word_before(text, at.begin);
  if (is_abbreviation(word)) return false;
  if (word == "no") return bare.empty() || bare[0] < '0' || bare[0] > '9';
  if (word == "i") return capital;
  if (word.size() == 1 && word[0] >= 'a' && word[0] <= 'z') return !capital && !small;
  if (is_dotted(word)) {
    const size_t end =
        std::min(bare.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), bare.size());
    return capital && opens_sentence(lower_case(bare.substr(0, end)));
  }
  const bool number = !word.empty() && word.find_first_not_of("0123456789.,") == std::string::npos;
  return !number || !starts_with(next, LetterCase::kLower);
}

}  // namespace

int64_t count_words(const std::string& text) {
  int64_t count = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const bool word = is_word_character(c.value);
    count += word && !inside;
    inside = word;
    at += c.size;
  }
  return count;
}

int64_t count_capital_words(const std::string& text) {
  int64_t count = 0;
  for (std::string word : between_white_space(without_marks(text))) {
    // A quotation mark behind a word is a word of its own, and so is a full stop that ends a sentence.
    while (word.size() > 1 && (word.back() == '\'' || word.back() == '.')) word.pop_back();
    for (const std::string& part : treebank_parts(word)) count += all_upper_case(part);
  }
  return count;
}

int64_t count_sentences(const std::string& text) {
  int64_t count = 0;
  size_t last = 0;  // where the last sentence ended
  for (size_t at = text.find_first_of(kEndMarks); at != std::string::npos;) {
    const SentenceEnd found = sentence_end_at(text, at);
    const bool at_word = found.end < text.size() && !space_at(text, found.end);
    const bool before_mark = found.marks_end < text.size() && one_of(")\";}]*:@'({[", text[found.marks_end]);
    const bool full_stop = text.find_first_not_of('.', found.begin) >= found.marks_end;
    if ((!at_word || before_mark) && (!full_stop || full_stop_ends_sentence(text, found))) {
      ++count;
      last = found.end;
    }
    at = text.find_first_of(kEndMarks, found.end);
  }
  const std::string_view rest = std::string_view(text).substr(last);
  return count + (leading_white_space(rest) < rest.size());
}

bool all_upper_case(const std::string& text) { return all_of_case(text, LetterCase::kUpper); }
bool all_lower_case(const std::string& text) { return all_of_case(text, LetterCase::kLower); }

}  // namespace circuit
