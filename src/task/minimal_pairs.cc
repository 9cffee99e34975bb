#include "task/minimal_pairs.h"

#include <algorithm>

#include "core/error.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "task/record_keys.h"

namespace circuit {
namespace {

// auto puts a token before a sentence where the tokenizer has any: what the first word adds to a sum must not be lost.
std::vector<int64_t> context_of(const Tokenizer& tokenizer, BeginToken policy) {
  if (policy == BeginToken::kNever) return {};
  std::vector<int64_t> context = begin_tokens(tokenizer, policy);
  const bool has_any = tokenizer.bos_id() || tokenizer.eos_id();
  return context.empty() && has_any ? begin_tokens(tokenizer, BeginToken::kAlways) : context;
}

void check_comparable(const MinimalPair& pair, bool context) {
  if (context) return;
  const std::string hint =
      "nothing predicts the first token. Score with a token before it: " + setting("bos") + " always (data.bos).";
  if (pair.good.size() < 2 || pair.bad.size() < 2) fail(pair.place, "a sentence of one token has no score: {}", hint);
  if (pair.good[0] != pair.bad[0]) fail(pair.place, "the sentences differ in their first token, and {}", hint);
}

}  // namespace

std::vector<MinimalPair> read_minimal_pairs(const std::string& path, const LazyTokenizer& tokenizer,
                                            BeginToken begin_token) {
  const MappedFile file(path);
  std::vector<MinimalPair> pairs;
  each_json_line(file.text(), path, [&](const Json& record, const std::string& place) {
    const bool blimp = record.contains("sentence_good");
    if (blimp && record.contains("good")) fail(place, "both 'good' and 'sentence_good': give one.");
    if (!blimp) allow_keys(record, {"good", "bad"}, place);
    const std::vector<int64_t> context = context_of(tokenizer.get(), begin_token);
    const auto sentence = [&](const std::string& key) {
      const std::vector<int64_t> tokens =
          tokenizer.get().encode(require_string(record, key, place), SpecialTokens::kNone);
      if (tokens.empty()) fail(place, "{}: no token stands for the sentence.", key);
      std::vector<int64_t> ids = context;
      ids.insert(ids.end(), tokens.begin(), tokens.end());
      return ids;
    };
    MinimalPair pair;
    pair.good = sentence(blimp ? "sentence_good" : "good");
    pair.bad = sentence(blimp ? "sentence_bad" : "bad");
    if (blimp) pair.group = optional_string(record, "UID", "", place);
    pair.place = place;
    pair.first_target = std::max<int64_t>(1, static_cast<int64_t>(context.size()));
    check_comparable(pair, !context.empty());
    pairs.push_back(std::move(pair));
  });
  if (pairs.empty()) fail(path, "there are no records in it.");
  return pairs;
}

}  // namespace circuit
