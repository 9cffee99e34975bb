// Reading comprehension: exact match and F1 as the official evaluation of SQuAD 2.0 defines them (Rajpurkar, Jia and
// Liang 2018, evaluate-v2.0.py), unanswerable questions included.
#include <algorithm>
#include <map>
#include <set>

#include "evaluation/answer_scorer.h"
#include "text/unicode.h"

namespace circuit {
namespace {

// ASCII punctuation, which the official normalisation removes; other scripts' stays.
bool is_punctuation(int32_t c) {
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) || (c >= 0x7B && c <= 0x7E);
}

// White_Space, and the separators that Python counts as such.
bool separates(int32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

// Lower case, without punctuation, a/an/the as words taken for white space, split at white space: in that order, so
// that "a.n" is the article "an". Articles end where a letter or digit does not go on, as at a dash that is not ASCII.
std::vector<std::string> answer_tokens(const std::string& text) {
  static const std::set<std::string> articles{"a", "an", "the"};
  std::vector<std::string> tokens;
  std::string token;  // what white space will end
  std::string word;   // its last run of word characters
  const auto end_word = [&] {
    if (articles.count(word) == 0) {
      token += word;
    } else if (!token.empty()) {
      tokens.push_back(std::move(token));
      token.clear();
    }
    word.clear();
  };
  const auto end_token = [&] {
    end_word();
    if (!token.empty()) tokens.push_back(std::move(token));
    token.clear();
  };
  const std::string lower = lower_case(text);
  for (size_t at = 0; at < lower.size();) {
    const CodePoint c = code_point_at(lower, at);
    at += c.size;
    if (is_punctuation(c.value)) continue;
    if (separates(c.value)) {
      end_token();
    } else if (is_word_character(c.value)) {
      append_utf8(c.value, word);
    } else {
      end_word();
      append_utf8(c.value, token);
    }
  }
  end_token();
  return tokens;
}

// 2PR / (P + R) over tokens with their multiplicity; where either side has none, whether both have none.
double token_f1(const std::vector<std::string>& gold, const std::vector<std::string>& found) {
  if (gold.empty() || found.empty()) return gold.empty() && found.empty() ? 1 : 0;
  std::map<std::string, int64_t> left;
  for (const std::string& token : gold) ++left[token];
  int64_t same = 0;
  for (const std::string& token : found) same += left[token]-- > 0;
  return 2 * static_cast<double>(same) / static_cast<double>(gold.size() + found.size());
}

// Answers that normalise to nothing do not count; without any, the empty text is the answer.
std::vector<std::vector<std::string>> gold_tokens(const AnswerRecord& record) {
  std::vector<std::vector<std::string>> gold;
  for (const std::string& answer : record.answers) {
    gold.push_back(answer_tokens(answer));
    if (gold.back().empty()) gold.pop_back();
  }
  if (gold.empty()) gold.emplace_back();
  return gold;
}

// What a text says that declines to answer; the official script takes an empty prediction for that.
bool declines(const std::vector<std::string>& tokens) {
  static const std::set<std::vector<std::string>> phrases{{"unanswerable"}, {"no", "answer"}, {"noanswer"}};
  return phrases.count(tokens) > 0;
}

void check_squad(const AnswerRecord&) {}

Judgement judge_squad(const AnswerRecord& record, const std::string& text) {
  Judgement j;
  std::vector<std::string> found = answer_tokens(text);
  if (declines(found)) found.clear();
  if (!found.empty()) j.answer = trimmed(text);
  double exact = 0;
  double f1 = 0;
  for (const auto& gold : gold_tokens(record)) {
    exact = std::max(exact, gold == found ? 1.0 : 0.0);
    f1 = std::max(f1, token_f1(gold, found));
  }
  j.marks = {{"exact", exact}, {"f1", f1}};
  return j;
}

std::vector<Measure> squad_measures(const std::vector<AnswerRecord>& records, const std::vector<Judgement>& judgements,
                                    Rng& rng) {
  std::vector<Measure> all{mean_measure("exact", marks_of(judgements, "exact"), rng),
                           mean_measure("f1", marks_of(judgements, "f1"), rng)};
  for (const bool answered : {true, false}) {
    std::vector<Judgement> part;
    for (size_t i = 0; i < records.size(); ++i) {
      if (records[i].answers.empty() != answered) part.push_back(judgements[i]);
    }
    if (part.empty()) continue;
    for (const char* mark : {"exact", "f1"}) {
      all.push_back(
          mean_measure(std::string(mark) + (answered ? "_has_answer" : "_no_answer"), marks_of(part, mark), rng));
    }
  }
  return all;
}

}  // namespace

AnswerScorer squad_answer_scorer() {
  return {"squad",     "exact match and F1 of SQuAD 2.0, with and without an answer",
          {"\n"},      check_squad,
          judge_squad, squad_measures};
}

}  // namespace circuit
