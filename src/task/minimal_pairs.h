// Pairs of sentences of which the model should find one the likelier.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "task/records.h"

namespace circuit {

struct MinimalPair {
  std::vector<int64_t> good, bad;
  std::string group;         // BLiMP's UID, or empty
  std::string place;         // "file:line"
  int64_t first_target = 1;  // of both: tokens from here on are scored
};

// {"good", "bad"} records, and BLiMP's own files (sentence_good, sentence_bad). With auto and always a token stands
// before every sentence, so that all its tokens are scored, as lm-evaluation-harness does. Throws Error "file:line" for
// a pair that cannot be compared: a first word that differs, or the only one, and no token before it.
std::vector<MinimalPair> read_minimal_pairs(const std::string& path, const LazyTokenizer& tokenizer,
                                            BeginToken begin_token);

}  // namespace circuit
