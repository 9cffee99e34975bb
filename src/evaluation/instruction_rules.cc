#include "evaluation/instruction_rules.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "evaluation/answer_scorer.h"
#include "evaluation/text_units.h"
#include "text/unicode.h"

namespace circuit {
namespace {

using InstructionRule = bool (*)(const Instruction& instruction, const std::string& text);

bool holds(const std::string& relation, int64_t count, int64_t threshold) {
  return relation == "less than" ? count < threshold : count >= threshold;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// As Python's split by a text that is not empty.
std::vector<std::string> split_at(const std::string& text, const std::string& mark) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, begin)) {
    parts.push_back(text.substr(begin, at - begin));
    begin = at + mark.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

int64_t occurrences(const std::string& text, const std::string& part) {
  return static_cast<int64_t>(split_at(text, part).size()) - 1;
}

bool keywords_exist(const Instruction& i, const std::string& text) {
  const std::string lower = lower_case(text);
  const auto words = i.texts("keywords");
  return std::all_of(words.begin(), words.end(),
                     [&](const std::string& word) { return contains(lower, lower_case(word)); });
}

bool keyword_frequency(const Instruction& i, const std::string& text) {
  const int64_t count = occurrences(lower_case(text), lower_case(trimmed(i.text("keyword"))));
  return holds(i.text("relation"), count, i.number("frequency"));
}

bool word_at(const std::string& text, size_t at) {
  return at < text.size() && is_word_character(code_point_at(text, at).value);
}

// Python's \b.
bool is_word_boundary(const std::string& text, size_t at) {
  const bool before = at > 0 && word_at(text, previous_code_point(text, at));
  return before != word_at(text, at);
}

bool no_forbidden_word(const Instruction& i, const std::string& text) {
  const std::string lower = lower_case(text);
  for (const std::string& forbidden : i.texts("forbidden_words")) {
    const std::string word = lower_case(forbidden);
    for (size_t at = lower.find(word); at != std::string::npos; at = lower.find(word, at + 1)) {
      if (is_word_boundary(lower, at) && is_word_boundary(lower, at + word.size())) return false;
    }
  }
  return true;
}

bool letter_frequency(const Instruction& i, const std::string& text) {
  return holds(i.text("let_relation"), occurrences(lower_case(text), lower_case(i.text("letter"))),
               i.number("let_frequency"));
}

bool number_of_sentences(const Instruction& i, const std::string& text) {
  return holds(i.text("relation"), count_sentences(text), i.number("num_sentences"));
}

bool number_of_words(const Instruction& i, const std::string& text) {
  return holds(i.text("relation"), count_words(text), i.number("num_words"));
}

// Between the dividers ***; none but the first and the last may be empty.
bool number_of_paragraphs(const Instruction& i, const std::string& text) {
  const std::vector<std::string> parts = split_at(text, "***");
  auto count = static_cast<int64_t>(parts.size());
  for (size_t p = 0; p < parts.size(); ++p) {
    if (!trimmed(parts[p]).empty()) continue;
    if (p != 0 && p + 1 != parts.size()) return false;
    --count;
  }
  return count == i.number("num_paragraphs");
}

std::string first_word_of(const std::string& paragraph) {
  size_t end = 0;
  while (end < paragraph.size() && !is_white_space(code_point_at(paragraph, end).value)) ++end;
  std::string word = paragraph.substr(0, end);
  word.erase(0, std::min(word.find_first_not_of('\''), word.size()));
  word.erase(0, std::min(word.find_first_not_of('"'), word.size()));
  return lower_case(word.substr(0, word.find_first_of(".,?!'\"")));
}

// Paragraphs end at an empty line. Empty ones are not counted, but the nth is the nth of all, as published.
bool nth_paragraph_first_word(const Instruction& i, const std::string& text) {
  const std::vector<std::string> parts = split_at(text, "\n\n");
  const auto filled = std::count_if(parts.begin(), parts.end(), [](const auto& p) { return !trimmed(p).empty(); });
  const int64_t nth = i.number("nth_paragraph");
  if (filled != i.number("num_paragraphs") || nth > filled) return false;
  const std::string paragraph = trimmed(parts[nth - 1]);
  return !paragraph.empty() && first_word_of(paragraph) == lower_case(i.text("first_word"));
}

// \[.*?\]
bool placeholders(const Instruction& i, const std::string& text) {
  int64_t count = 0;
  for (size_t at = text.find('['); at != std::string::npos; at = text.find('[', at)) {
    const size_t end = text.find_first_of("]\n", at);
    const bool closed = end != std::string::npos && text[end] == ']';
    count += closed;
    at = closed ? end + 1 : at + 1;
  }
  return count >= i.number("num_placeholders");
}

// `parts` one after another, white space of one character or none between.
bool has_spaced(const std::string& text, const std::vector<std::string>& parts) {
  for (size_t begin = text.find(parts[0]); begin != std::string::npos; begin = text.find(parts[0], begin + 1)) {
    size_t at = begin;
    bool found = true;
    for (size_t p = 0; p < parts.size() && found; ++p) {
      if (p > 0 && at < text.size() && is_white_space(code_point_at(text, at).value))
        at += code_point_at(text, at).size;
      found = text.compare(at, parts[p].size(), parts[p]) == 0;
      at += parts[p].size();
    }
    if (found) return true;
  }
  return false;
}

bool postscript(const Instruction& i, const std::string& text) {
  const std::string marker = trimmed(i.text("postscript_marker"));
  const std::string lower = lower_case(text);
  if (marker == "P.P.S") return has_spaced(lower, {"p.", "p.", "s"});
  if (marker == "P.S.") return has_spaced(lower, {"p.", "s."});
  return contains(lower, lower_case(marker));
}

// Lines that begin with `mark`, white space before it or not (that may be empty lines). asterisk: another character,
// which may be the line's end, must follow: "**" begins bold text.
int64_t bullets(const std::string& text, char mark) {
  int64_t count = 0;
  for (size_t line = 0; line <= text.size();) {
    const size_t at = line + leading_white_space(std::string_view(text).substr(line));
    const bool begins = at < text.size() && text[at] == mark;
    const bool bullet = begins && (mark != '*' || (at + 1 < text.size() && text[at + 1] != '*'));
    count += bullet;
    const size_t end = text.find('\n', bullet ? at + (mark == '*' ? 2 : 1) : line);
    if (end == std::string::npos) break;
    line = end + 1;
  }
  return count;
}

bool bullet_lists(const Instruction& i, const std::string& text) {
  return bullets(text, '*') + bullets(text, '-') == i.number("num_bullets");
}

bool constrained_response(const Instruction&, const std::string& text) {
  return contains(text, "My answer is yes.") || contains(text, "My answer is no.") ||
         contains(text, "My answer is maybe.");
}

// Stretches of a line between two marks of asterisks that have none in them, and are not blank.
int64_t highlights(const std::string& text, const std::string& mark) {
  int64_t count = 0;
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
    const size_t begin = at + mark.size();
    const size_t end = text.find_first_of("*\n", begin);
    if (end == std::string::npos || text.compare(end, mark.size(), mark) != 0) {
      ++at;
      continue;
    }
    count += !trimmed(text.substr(begin, end - begin)).empty();
    at = end + mark.size();
  }
  return count;
}

// Bold text counts by its own rule; that of single marks sees two empty stretches there.
bool highlighted_sections(const Instruction& i, const std::string& text) {
  return highlights(text, "*") + highlights(text, "**") >= i.number("num_highlights");
}

// The word and a number behind it.
bool multiple_sections(const Instruction& i, const std::string& text) {
  const std::string word = trimmed(i.text("section_spliter"));
  int64_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    size_t digit = at + word.size();
    if (digit < text.size() && is_white_space(code_point_at(text, digit).value))
      digit += code_point_at(text, digit).size;
    count += digit < text.size() && text[digit] >= '0' && text[digit] <= '9';
  }
  return count >= i.number("num_sections");
}

std::string without_prefix(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0 ? text.substr(prefix.size()) : text;
}

bool json_format(const Instruction&, const std::string& text) {
  std::string inner = trimmed(text);
  for (const char* fence : {"```json", "```Json", "```JSON", "```"}) inner = without_prefix(inner, fence);
  if (inner.size() >= 3 && inner.compare(inner.size() - 3, 3, "```") == 0) inner.resize(inner.size() - 3);
  return Json::accept(trimmed(inner));
}

// <<[^\n]+>>, of which something is left without the marks.
bool title(const Instruction&, const std::string& text) {
  for (const std::string& line : split_at(text, "\n")) {
    const size_t begin = line.find("<<");
    const size_t end = line.rfind(">>");
    if (begin == std::string::npos || end == std::string::npos || end < begin + 3) continue;
    std::string inner = line.substr(begin, end - begin);
    inner.erase(0, std::min(inner.find_first_not_of('<'), inner.size()));
    inner.erase(inner.find_last_not_of('>') + 1);
    if (!trimmed(inner).empty()) return true;
  }
  return false;
}

bool two_responses(const Instruction&, const std::string& text) {
  const std::vector<std::string> parts = split_at(text, "******");
  std::vector<std::string> responses;
  for (size_t p = 0; p < parts.size(); ++p) {
    const std::string part = trimmed(parts[p]);
    if (part.empty() && p != 0 && p + 1 != parts.size()) return false;
    if (!part.empty()) responses.push_back(part);
  }
  return responses.size() == 2 && responses[0] != responses[1];
}

bool repeats_prompt(const Instruction& i, const std::string& text) {
  const std::string prompt = lower_case(trimmed(i.text("prompt_to_repeat")));
  return lower_case(trimmed(text)).compare(0, prompt.size(), prompt) == 0;
}

bool ends_with_phrase(const Instruction& i, const std::string& text) {
  std::string end = trimmed(text);
  end.erase(0, std::min(end.find_first_not_of('"'), end.size()));
  end.erase(end.find_last_not_of('"') + 1);
  end = lower_case(end);
  const std::string phrase = lower_case(trimmed(i.text("end_phrase")));
  return end.size() >= phrase.size() && end.compare(end.size() - phrase.size(), phrase.size(), phrase) == 0;
}

bool quotation(const Instruction&, const std::string& text) {
  const std::string whole = trimmed(text);
  return whole.size() > 1 && whole.front() == '"' && whole.back() == '"';
}

bool capital_word_frequency(const Instruction& i, const std::string& text) {
  return holds(i.text("capital_relation"), count_capital_words(text), i.number("capital_frequency"));
}

const std::map<std::string, InstructionRule>& instruction_rules() {
  static const std::map<std::string, InstructionRule> all{
      {"keywords:existence", keywords_exist},
      {"keywords:frequency", keyword_frequency},
      {"keywords:forbidden_words", no_forbidden_word},
      {"keywords:letter_frequency", letter_frequency},
      {"length_constraints:number_sentences", number_of_sentences},
      {"length_constraints:number_paragraphs", number_of_paragraphs},
      {"length_constraints:number_words", number_of_words},
      {"length_constraints:nth_paragraph_first_word", nth_paragraph_first_word},
      {"detectable_content:number_placeholders", placeholders},
      {"detectable_content:postscript", postscript},
      {"detectable_format:number_bullet_lists", bullet_lists},
      {"detectable_format:constrained_response", constrained_response},
      {"detectable_format:number_highlighted_sections", highlighted_sections},
      {"detectable_format:multiple_sections", multiple_sections},
      {"detectable_format:json_format", json_format},
      {"detectable_format:title", title},
      {"combination:two_responses", two_responses},
      {"combination:repeat_prompt", repeats_prompt},
      {"startend:end_checker", ends_with_phrase},
      {"startend:quotation", quotation},
      {"change_case:capital_word_frequency", capital_word_frequency},
      {"change_case:english_capital", [](const Instruction&, const std::string& t) { return all_upper_case(t); }},
      {"change_case:english_lowercase", [](const Instruction&, const std::string& t) { return all_lower_case(t); }},
      {"punctuation:no_comma", [](const Instruction&, const std::string& t) { return !contains(t, ","); }},
  };
  return all;
}

}  // namespace

bool follows(const Instruction& instruction, const std::string& text) {
  return !trimmed(text).empty() && instruction_rules().at(instruction.id)(instruction, text);
}

std::vector<std::string> loose_texts(const std::string& text) {
  const size_t first_end = text.find('\n');
  const size_t last_begin = text.rfind('\n');
  const bool one_line = first_end == std::string::npos;
  std::vector<std::string> texts{
      text, one_line ? "" : trimmed(text.substr(first_end + 1)), one_line ? "" : trimmed(text.substr(0, last_begin)),
      one_line || first_end == last_begin ? "" : trimmed(text.substr(first_end + 1, last_begin - first_end - 1))};
  for (size_t i = 0; i < 4; ++i) {
    std::string plain = texts[i];
    plain.erase(std::remove(plain.begin(), plain.end(), '*'), plain.end());
    texts.push_back(std::move(plain));
  }
  return texts;
}

}  // namespace circuit
