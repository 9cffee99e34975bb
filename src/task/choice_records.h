// Multiple choice: a prompt and several continuations, of which the model should find one the likeliest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "task/records.h"

namespace circuit {

struct ChoiceRecord {
  struct Choice {
    std::vector<int64_t> ids;  // prompt and choice as one text, begin token included
    int64_t first_target = 1;  // the first token that reaches into the choice; all from there are the choice's
    int64_t bytes = 0;         // of the choice without white space before it
  };
  std::vector<Choice> choices;
  int64_t answer = 0;  // index
  std::string group;   // what accuracies are told apart by, such as a subject; or empty
  std::string place;   // "file:line"
};

// {"prompt", "choices", "answer"} records, with "group" or without. Throws Error "file:line" for an unknown key, a
// value of another type, fewer than two choices, an empty one, an answer that is none of them, and a choice that no
// token comes before.
std::vector<ChoiceRecord> read_choice_records(const std::string& path, const LazyTokenizer& tokenizer,
                                              BeginToken begin_token);

}  // namespace circuit
