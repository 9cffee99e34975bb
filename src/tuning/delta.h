// Deltas on a model and off it again; several together, with what they disagree on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tuning/delta_file.h"

namespace circuit {

// What stands where the slices of several deltas overlap: nothing (an error), the value of the last or of the
// first delta given, the base with the mean or the sum of their changes.
enum class OnOverlap { kRefuse, kLast, kFirst, kMean, kSum };
struct OverlapRule {
  const char* name;
  OnOverlap rule;
};
const std::vector<OverlapRule>& overlap_rules();  // without kRefuse, which is what a user gets who names none

// Indices that two deltas both change.
struct Overlap {
  std::string region;  // "TENSOR[dim:start:end]", of two ranges where the slices cross
  size_t first = 0;    // indices of the deltas
  size_t second = 0;
  int64_t elements = 0;
  double disagreement = 0;  // ‖W_first − W_second‖ / max(‖ΔW_first‖, ‖ΔW_second‖) there: 0 the same, 2 opposite
};

// By disagreement, the largest first. Throws Error naming a slice that `model` does not have in that shape.
std::vector<Overlap> find_overlaps(const Checkpoint& model, const std::vector<Delta>& deltas);

// A delta with its changes multiplied by `scale`: base + scale · (master − base) in float64, rounded once. It is no
// longer held against what the run made of it.
Delta scaled(Delta delta, double scale);
// base + scale · (tuned − base) in float64, in the base's dtype; where both are equal the base's bytes.
at::Tensor scaled_change(const at::Tensor& base, const at::Tensor& tuned, double scale);

// Whole tensors of the model that the deltas make of `base`, by file name, in the base's dtype. Outside
// overlaps every element is a delta's value, byte for byte; mean and sum are taken in float64 of the masters
// and rounded once. Throws Error naming the tensor: `base` is not what a delta was made from, a delta is
// damaged, or slices overlap and the rule is kRefuse.
std::map<std::string, at::Tensor> apply_deltas(const Checkpoint& base, const std::vector<Delta>& deltas,
                                               OnOverlap rule);

// The base's tensors again, of a model that apply_deltas made with the same deltas, in the same order, and
// rule. Throws Error naming the tensor that is not what they made.
std::map<std::string, at::Tensor> revert_deltas(const Checkpoint& model, const std::vector<Delta>& deltas,
                                                OnOverlap rule);

}  // namespace circuit
