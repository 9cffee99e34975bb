// The records of a score.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scoring/scorer.h"
#include "task/open_model.h"
#include "task/records.h"

namespace circuit {

struct RecordOptions {
  std::string bos = "auto";
  int64_t max_length = 0;  // tokens kept of a text; 0: all
};

// The records of a score and, where a file is given, those whose mean the mean ablations take. Points the
// specification at the latter; throws Error naming the record that lacks what its metric reads.
struct ScoredRecords {
  ScoredRecords(const std::string& path, const std::string& ablation_path, const OpenModel& open,
                const RecordOptions& options, ScoreSpec* spec);
  ScoredRecords(const ScoredRecords&) = delete;
  ScoredRecords& operator=(const ScoredRecords&) = delete;
  Dataset data, reference_data;
  std::vector<const Example*> examples, reference;
};

// Tokens of the longest example.
int64_t longest_of(const std::vector<const Example*>& examples);

}  // namespace circuit
