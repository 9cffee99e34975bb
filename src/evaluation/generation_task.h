// Generation tasks: prompts continued greedily, the text judged by the records' scorer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "evaluation/answer_scorer.h"
#include "evaluation/evaluation.h"
#include "io/json.h"

namespace circuit {

struct GenerationTaskSpec {
  int64_t batch = 16;
  int64_t max_tokens = 256;
  std::optional<std::vector<std::string>> stops;  // absent: the scorer's; the text ends before the first that occurs
};

struct GenerationTaskResult {
  std::vector<Measure> measures;
  std::vector<std::string> stops;  // as used
  int64_t tokens = 0;              // generated
  int64_t cut_off = 0;             // texts that only max_tokens or the model's last position ended
  std::vector<Json> predictions;   // {"place", "text", "answer", "answers", "stopped", and the scorer's marks}
};

// records: not empty, of one scorer. Throws Error naming the record that the scorer cannot use, before any work.
GenerationTaskResult evaluate_generation(const Model& model, const Tokenizer& tokenizer,
                                         const std::vector<AnswerRecord>& records, const GenerationTaskSpec& spec,
                                         Rng& rng, const EvaluationProgress& progress = {});

}  // namespace circuit
