// What a record becomes: token ids, where the metric reads, which tokens the loss counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/head.h"
#include "model/token_batch.h"

namespace circuit {

// A place where the metric reads the logits that predict token `position` (those of position − 1).
struct Readout {
  int64_t position = 0;  // 1 … length, in ids as they are (begin token included)
  std::vector<int64_t> correct, wrong;
  std::string label;  // names the readout in tables (per verb): as the record says, else `correct`
};

struct Span {
  std::string name;
  int64_t begin = 0;  // token indices [begin, end]
  int64_t end = 0;
};

// Of the pronoun that `correct` holds.
enum class Gender { kNone, kMale, kFemale };

struct Example {
  std::vector<int64_t> ids;
  std::vector<Readout> readouts;
  std::vector<int64_t> counterfactual_ids;       // empty: the record has none
  std::vector<Readout> counterfactual_readouts;  // empty: as `readouts`
  int64_t first_target = 1;                      // the loss counts tokens first_target … length − 1
  std::vector<Span> spans;
  std::string occupation;  // of whom the readouts speak, for the measures of bias; empty: not such a record
  Gender gender = Gender::kNone;
  std::string place;  // "file:line", for errors
};

enum class Side { kClean, kCounterfactual };

// Throws Error naming the record: an id outside the vocabulary, a readout outside the sequence, more tokens
// than the model has positions, and for side kCounterfactual one that is missing or of another length.
void check_example(const Example& example, const Architecture& architecture, Side side);

// Examples side by side, ready for a forward. Rows are rows of the token batch.
struct ExampleBatch {
  TokenBatch tokens;
  int64_t examples = 0;
  std::vector<std::string> places;  // one per example, for errors
  // One entry per readout:
  std::vector<Readout> readouts;
  std::vector<int64_t> readout_example;
  at::Tensor readout_rows;  // [readouts] int64; undefined when there is none
  std::vector<int64_t> readouts_per_example;
  // One entry per target token:
  Targets targets;  // rows and ids; undefined tensors when there is none
  std::vector<int64_t> target_example;
  // [readouts, d_model] the last stream of the whole model at the readouts, for metrics that compare a run with it;
  // undefined unless the caller sets it.
  at::Tensor full;

  int64_t n_readouts() const { return static_cast<int64_t>(readouts.size()); }
  int64_t n_targets() const { return static_cast<int64_t>(target_example.size()); }
};

// Throws what check_example throws (counterfactuals must be equally long: method.md §2).
ExampleBatch make_example_batch(const std::vector<const Example*>& examples, const Architecture& architecture,
                                at::Device device, Side side = Side::kClean);

}  // namespace circuit
