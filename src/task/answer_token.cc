#include "task/answer_token.h"

#include <algorithm>

#include "core/error.h"

namespace circuit {

TokenPlace place_after_ids(const LazyTokenizer& tokenizer, const std::vector<int64_t>& ids) {
  const Tokenizer& t = tokenizer.get();
  TokenPlace place;
  for (const int64_t id : ids) {
    const bool known = id >= 0 && id < static_cast<int64_t>(t.vocab_size());
    if (known && !t.is_special(id)) place.ids.push_back(id);
    if (!known) return {};  // refused later, with the vocabulary's size
  }
  place.text = t.decode(place.ids, SpecialTokens::kNone);
  return place;
}

int64_t answer_token(const Tokenizer& tokenizer, const TokenPlace& before, const std::string& word,
                     const std::string& key, const std::string& record) {
  if (word.empty()) fail(record, "{}: is empty.", key);
  const std::vector<int64_t> both = tokenizer.encode(before.text + word, SpecialTokens::kNone);
  if (both.size() == before.ids.size() + 1 && std::equal(before.ids.begin(), before.ids.end(), both.begin())) {
    return both.back();
  }
  const std::vector<int64_t> alone = tokenizer.encode(word, SpecialTokens::kNone);
  if (alone.size() == 1 && tokenizer.token_text(alone[0]) == word) return alone[0];
  size_t shared = 0;
  while (shared < std::min(before.ids.size(), both.size()) && both[shared] == before.ids[shared]) ++shared;
  std::string pieces;
  for (size_t i = shared; i < both.size(); ++i) {
    pieces += (pieces.empty() ? "'" : ", '") + tokenizer.token_text(both[i]) + "'";
  }
  if (pieces.empty()) fail(record, "{}: no token stands for '{}': the tokenizer drops it.", key, word);
  fail(record, "{}: '{}' is not one token behind its text but {}. Choose a word that is one token.", key, word, pieces);
}

std::vector<int64_t> without_repeats(const std::vector<int64_t>& ids) {
  std::vector<int64_t> once;
  for (const int64_t id : ids) {
    if (std::find(once.begin(), once.end(), id) == once.end()) once.push_back(id);
  }
  return once;
}

}  // namespace circuit
