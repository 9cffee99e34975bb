// Which records every update reads: a function of seed and step, so that it needs no state.
#pragma once

#include <cstdint>
#include <vector>

#include "task/example.h"

namespace circuit {

using ExampleList = std::vector<const Example*>;

struct BatchSettings {
  int64_t batch = 16;        // records in a micro-batch
  int64_t accumulation = 1;  // micro-batches per update
  int64_t seed = 0;          // of the data's order, and of random selection
};

struct BatchSpec : BatchSettings {
  const std::vector<Example>* train = nullptr;
  // General text that is trained on beside the task, against forgetting; null: none.
  const std::vector<Example>* replay = nullptr;
  double replay_records = 0;  // of it per update, on average: a fraction adds up over the updates
};

// The task's records of one update, micro-batch by micro-batch: each epoch is one permutation of the data.
std::vector<ExampleList> task_batches(const BatchSpec& spec, int64_t step);
// The replayed ones, in the same way, in micro-batches of at most spec.batch; empty without replay, and where less than
// a whole one is due.
std::vector<ExampleList> replay_batches(const BatchSpec& spec, int64_t step);
// `batches` batches drawn with replacement from the task's records, for a discovery.
std::vector<ExampleList> drawn_batches(const BatchSpec& spec, int64_t step, int64_t batches);

// Target tokens of an example on average: what the loss counts of it. examples not empty.
double mean_targets(const std::vector<Example>& examples);

}  // namespace circuit
