// Words that a measure leaves out, so that what was taught is not counted as what it cost.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "task/example.h"
#include "text/tokenizer.h"

namespace circuit {

// Which of these tokens reach into one of the words, as it is written, where it stands alone: with no letter, digit, or
// underscore on either side.
std::vector<bool> tokens_of_words(const Tokenizer& tokenizer, const std::vector<int64_t>& ids,
                                  const std::set<std::string>& words);

// What the readouts of records answer, right and wrong, without white space around it.
std::set<std::string> readout_words(const Tokenizer& tokenizer, const std::vector<Example>& examples);

}  // namespace circuit
