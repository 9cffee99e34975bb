// The one token that an answer, given as a word, is at the place where it would stand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "task/records.h"

namespace circuit {

// What stands before an answer: a text and the tokens it was encoded to, no begin token.
struct TokenPlace {
  std::string text;
  std::vector<int64_t> ids;
};

// Behind ids that a record gives instead of a text: the text they decode to.
TokenPlace place_after_ids(const LazyTokenizer& tokenizer, const std::vector<int64_t>& ids);

// The token that stands for `word` behind `before`; where the two run together there ("key" + "s"), the token that is
// `word` to the byte. Never a token with a white space that `word` lacks, as tokenizers that put one before every text
// have it for a word alone. Throws Error at `record` ("file:line") naming `key` and the pieces when there is no such
// token.
int64_t answer_token(const Tokenizer& tokenizer, const TokenPlace& before, const std::string& word,
                     const std::string& key, const std::string& record);

// ids without those that stand earlier in it.
std::vector<int64_t> without_repeats(const std::vector<int64_t>& ids);

}  // namespace circuit
