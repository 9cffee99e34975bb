// One file scored by what it holds: the numbers of `circuit score`, and those of a run before and after.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/divergence.h"
#include "evaluation/evaluation.h"
#include "evaluation/measure.h"
#include "io/json.h"

namespace circuit {

struct AbilitySpec {
  BeginToken begin_token = BeginToken::kAuto;
  int64_t batch = 16;                             // sequences in one forward; changes no result but by rounding
  int64_t window = 0;                             // tokens of a window of text; 0: the model's positions
  std::string metric = "logit_diff";              // of records with readouts
  int64_t max_tokens = 256;                       // generated for a record
  std::optional<std::vector<std::string>> stops;  // text that ends a generation; absent: the scorer's own
  uint64_t seed = 0;                              // of the bootstrap
  std::vector<std::string> leave_out;             // groups of minimal pairs that are not scored
  const Model* base = nullptr;  // what text and records are compared with (divergence.h); null: nothing
  MaskSpec mask;                // of that comparison
};

struct FileScore {
  std::string kind;                                     // "text", "minimal pairs", "multiple choice", …
  std::vector<std::pair<std::string, int64_t>> counts;  // "records", "tokens", …
  std::vector<Measure> measures;
  // A measure split: accuracy per group of pairs or choices, or per readout, bias per occupation.
  std::map<std::string, std::map<std::string, double>> by;
  Json decoding;                  // how text was generated; null: none was
  std::vector<Json> predictions;  // of pairs, choices and generation tasks: one a record
};

// Reads and scores a file of any kind that file_kind tells. Throws Error "file:line" for a record that cannot be used,
// before any work, and for a file of a kind that is not compared where there is a base.
FileScore score_file(const Model& model, const LazyTokenizer& tokenizer, const std::string& path,
                     const AbilitySpec& spec, const EvaluationProgress& progress = {});

// Throws Error naming a group to leave out that no pair of the files has.
void check_left_out(const std::vector<std::string>& files, const LazyTokenizer& tokenizer, const AbilitySpec& spec);

// Whether files of this kind are compared with a base.
inline bool is_compared(FileKind kind) { return kind == FileKind::kText || kind == FileKind::kExamples; }

}  // namespace circuit
