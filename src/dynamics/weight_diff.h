// Two models of one shape, compared node by node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/model.h"

namespace circuit {

// The slices of one node (or, where no node has them, a tensor by its name).
struct NodeChange {
  std::string node;  // as Slice::node
  int64_t elements = 0;
  int64_t changed = 0;     // whose bytes differ; where dtypes do, whose values
  double norm = 0;         // ‖W‖ in A
  double change_norm = 0;  // ‖W_B − W_A‖, both sums in float64
  double relative() const { return change_norm > 0 ? change_norm / norm : 0; }  // infinite where A's are all zero
};

struct WeightDiff {
  std::vector<NodeChange> nodes;  // those with a change, by relative change, the largest first
  std::vector<std::string> changed_tensors, only_a, only_b;  // by file name
  int64_t tensors = 0;                                       // in both
  int64_t identical_tensors = 0;                             // of them
  int64_t elements = 0, changed_elements = 0;                // of tensors in both
};

// model: of `a`. Throws Error naming a tensor whose shape differs.
WeightDiff diff_weights(const Checkpoint& a, const Model& model, const Checkpoint& b);

}  // namespace circuit
