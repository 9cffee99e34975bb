// What a run would do: everything is read and checked, one real discovery is made, nothing is written.
#pragma once

#include <cstdint>
#include <optional>

#include "run/plan.h"

namespace circuit {

struct DryRun {
  RunConfig config;  // with what the method chose for itself, such as a matched rank
  int64_t all_parameters = 0;
  int64_t records = 0, longest = 0;  // of training; tokens of the longest
  int64_t dev = 0, test = 0;         // records
  int64_t untouched = 0;             // tokens
  struct First {
    int64_t edges = 0, nodes = 0;
    double metric = 0;
  };
  std::optional<First> circuit;                    // of methods that find circuits
  int64_t parts = 0, tensors = 0, parameters = 0;  // trained
  TuneMemory memory;
};

// Throws what the run would throw before its first step; Error for model.init = random, whose weights it would look at.
DryRun dry_run(RunConfig config, const ComputeSpec& compute);

}  // namespace circuit
