// A number in place of another of as many digits and tokens. Where the record has no answers, the text repeats a number
// at its end ("Room 47 … in room | 47"), and the counterfactual's is read against it.
#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/rng.h"
#include "task/pair_makers/pair_maker.h"

namespace circuit {
namespace {

constexpr int kTries = 64;  // numbers of many digits drawn before a text is refused

struct NumberUse {
  Range bytes;
  std::string digits;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whole numbers that stand alone: not 3.5, 1,000 or B12.
std::vector<NumberUse> numbers_of(const std::string& text) {
  std::vector<NumberUse> numbers;
  const auto is_joined = [&](size_t at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    return std::isalnum(byte) != 0 || byte >= 0x80 || byte == '_';
  };
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at == begin) {
      ++at;
      continue;
    }
    const bool before =
        begin > 0 &&
        (is_joined(begin - 1) ||
         (begin > 1 && std::string(".,:/-").find(text[begin - 1]) != std::string::npos && is_digit(text[begin - 2])));
    const bool after =
        at < text.size() &&
        (is_joined(at) ||
         (at + 1 < text.size() && std::string(".,:/-").find(text[at]) != std::string::npos && is_digit(text[at + 1])));
    if (!before && !after) numbers.push_back({{begin, at}, text.substr(begin, at - begin)});
  }
  return numbers;
}

// Other numbers of as many digits, without a leading zero, in a random order: all of them up to three digits.
std::vector<std::string> other_numbers(const std::string& number, Rng& rng) {
  constexpr size_t kAllDigits = 3;
  const size_t digits = number.size();
  std::vector<std::string> others;
  if (digits <= kAllDigits) {
    const int64_t end = digits == 1 ? 10 : digits == 2 ? 100 : 1000;
    const int64_t first = digits == 1 ? 0 : end / 10;
    for (const int64_t i : permutation(end - first, rng)) others.push_back(std::to_string(first + i));
    return others;
  }
  for (int i = 0; i < kTries; ++i) {
    std::string other(1, static_cast<char>('1' + rng.below(9)));
    while (other.size() < digits) other += static_cast<char>('0' + rng.below(10));
    others.push_back(other);
  }
  return others;
}

class NumberPairs {
 public:
  explicit NumberPairs(const PairOptions& options) : seed_(options.seed) {}

  void operator()(const PairSource& source, PairWriter* writer) const {
    if (source.record.contains("answer") != source.record.contains("wrong")) {
      fail(source.place, "answer and wrong come together: what follows the text, and what follows the counterfactual.");
    }
    const std::vector<NumberUse> numbers = numbers_of(source.text);
    if (numbers.empty()) return writer->refuse("no whole number");
    Rng rng = Rng(seed_).split("numbers " + std::to_string(source.line));
    source.record.contains("answer") ? with_answers(source, numbers, rng, writer)
                                     : with_last(source, numbers, rng, writer);
  }

 private:
  static void with_answers(const PairSource& source, const std::vector<NumberUse>& numbers, Rng& rng,
                           PairWriter* writer) {
    PairDraft draft;
    draft.text = source.text;
    draft.answer = require_string(source.record, "answer", source.place);
    draft.wrong = require_string(source.record, "wrong", source.place);
    if (draft.answer.empty() || draft.wrong.empty()) fail(source.place, "answer, wrong: are empty.");
    const std::string number = numbers[rng.below(numbers.size())].digits;
    draw(source, numbers, number, &draft, rng, writer);
  }

  static void with_last(const PairSource& source, std::vector<NumberUse> numbers, Rng& rng, PairWriter* writer) {
    const NumberUse last = numbers.back();
    numbers.pop_back();
    if (source.text.find_first_not_of(" \t.!?\"')", last.bytes.end) != std::string::npos) {
      return writer->refuse("the text does not end in a number, and the record has no 'answer' and 'wrong'");
    }
    const bool stands_before =
        std::any_of(numbers.begin(), numbers.end(), [&](const NumberUse& n) { return n.digits == last.digits; });
    if (!stands_before) return writer->refuse("the last number does not stand earlier in the text");
    PairDraft draft;
    draft.text = source.text.substr(0, source.text.find_last_not_of(" \t", last.bytes.begin - 1) + 1);
    draft.answer = source.text.substr(draft.text.size(), last.bytes.end - draft.text.size());
    draw(source, numbers, last.digits, &draft, rng, writer);
  }

  // Another number in place of `number` wherever it stands in the draft's text.
  static void draw(const PairSource& source, const std::vector<NumberUse>& numbers, const std::string& number,
                   PairDraft* draft, Rng& rng, PairWriter* writer) {
    std::set<std::string> used;
    for (const NumberUse& n : numbers) used.insert(n.digits);
    for (const NumberUse& n : numbers) {
      if (n.digits == number) draft->changed.push_back(n.bytes);
    }
    const bool is_read = draft->wrong.empty();
    std::vector<std::string> others = other_numbers(number, rng);
    const auto is_unfit = [&](const std::string& other) {
      // Of several tokens the first that differs is read: let it be the first digit's.
      return other == number || used.count(other) > 0 || (is_read && other[0] == number[0]);
    };
    others.erase(std::remove_if(others.begin(), others.end(), is_unfit), others.end());
    const auto draft_of = [&](const std::string& other) {
      std::vector<std::pair<Range, std::string>> changes;
      for (const Range& range : draft->changed) changes.emplace_back(range, other);
      draft->counterfactual = replaced(draft->text, changes);
      if (is_read) draft->wrong = draft->answer.substr(0, draft->answer.size() - number.size()) + other;
      return *draft;
    };
    writer->write_first(others, draft_of, "no other number of as many digits", source.place);
  }

  uint64_t seed_;
};

}  // namespace

PairMaker number_pairs() {
  return {"numbers",
          "texts that end in a number they have named before, or records with 'answer' and 'wrong'",
          "another number of as many tokens; the last number against it, or the record's answers",
          {"answer", "wrong"},
          {},
          [](const PairOptions& options) -> MakePairs { return NumberPairs(options); }};
}

}  // namespace circuit
