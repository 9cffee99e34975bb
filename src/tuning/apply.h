// Deltas and adapters on a model, and off it again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/json.h"
#include "model/compute.h"
#include "tuning/delta.h"

namespace circuit {

struct ApplyRequest {
  std::string model, out;           // folders; out must not exist
  std::vector<std::string> deltas;  // deltas, and for apply adapters
  OnOverlap rule = OnOverlap::kRefuse;
  double scale = 1;  // of every change: 0 is the base, 1 what was tuned, between and beyond a line through both
  ComputeSpec compute;
};

struct Applied {
  std::vector<Overlap> overlaps;
  std::vector<Delta> deltas;
  int64_t changed_tensors = 0;
};

// Writes the model with all of them. A scaled delta's masters are scaled and rounded once; an adapter's tensors as they
// would be merged. Throws Error naming the file and tensor or slice that does not fit, and for
// overlaps that no rule settles.
Applied apply(const ApplyRequest& request);
// Writes the model without them: the base's bytes. scale: what they were applied with. Throws Error for an adapter,
// which holds none of these.
Applied revert(const ApplyRequest& request);

std::string overlap_table(const Applied& applied);
Json overlap_json(const Applied& applied);

}  // namespace circuit
