// A counterfactual pair before the tokenizer has seen it, and the contrast record it becomes where it fits.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/json.h"
#include "task/records.h"
#include "text/aligned_text.h"

namespace circuit {

struct PairDraft {
  std::string text;            // up to where it is read
  std::string counterfactual;  // the same with other words at `changed`
  std::vector<Range> changed;  // bytes of the text
  // What follows the text and what is set against it, with the space before them where there is one. Both empty: the
  // record has `readouts`.
  std::string answer, wrong;
  Json readouts;
  std::vector<std::pair<std::string, Range>> spans;  // bytes of the text, by name
};

// A record, or the reason why there is none.
struct FittedPair {
  Json record;
  std::string refused;
  bool is_first_token = false;  // the answers are several tokens: read where they first differ
};

// Of all reasons the one that says least of a text: another word may be as long.
constexpr const char* kOtherLength = "the counterfactual is another number of tokens";

// The contrast record of a draft: both texts equally many tokens, which differ where the draft changes them and nowhere
// else, and before a readout. Of answers of several tokens those that they share join the texts, and the first that
// differs is read. Throws Error at `place` for readouts of the draft that cannot be read.
FittedPair fit_pair(const PairDraft& draft, const LazyTokenizer& tokenizer, const std::string& place);

// `text` with `with` in place of each of its ranges, which are ascending and apart.
std::string replaced(const std::string& text, const std::vector<std::pair<Range, std::string>>& changes);

}  // namespace circuit
