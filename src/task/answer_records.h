// Generation tasks: a prompt that the model continues, and what its answer is held against.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "task/instruction.h"
#include "task/records.h"

namespace circuit {

struct AnswerRecord {
  std::vector<int64_t> prompt;       // ids, begin token included
  std::string scorer;                // which one judges the text (evaluation/answer_scorer.h)
  std::vector<std::string> answers;  // accepted ones; none: no answer exists
  std::vector<std::string> labels;   // the closed set that answers are from; may be empty
  std::string place;                 // "file:line"
  // What the text must keep to, with scorer "ifeval".
  std::vector<Instruction> instructions = {};
};

// Prompt/completion records with "scorer", "answers" and "labels", or with "instructions" for answers. The completion
// is not read: it is what training learns. Throws Error "file:line" for an unknown key, a value of another type, a
// prompt without a token, an instruction that is not known, and a scorer or labels that are not those of the first
// record.
std::vector<AnswerRecord> read_answer_records(const std::string& path, const LazyTokenizer& tokenizer,
                                              BeginToken begin_token);

}  // namespace circuit
