// Optimisers over slices: state exists per slice, from its first selection (method.md §4). One file each,
// one line in optimizers().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace circuit {

struct Protection;  // null_space.h

struct OptimizerSpec {
  std::string kind = "adamw";
  double momentum = 0.9;  // sgd
  double beta1 = 0.9;     // adamw
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double curvature = 0;  // adamw: λ, weight of general text's Fisher information in the denominator
  double weight_decay = 0;
  bool decay_biases = true;  // false: weight decay skips biases (one-dimensional parameters)
};

// What an optimiser remembers of one slice; tensors have the slice's shape, float32 (float64 in tests).
struct SliceState {
  at::Tensor master;  // the slice in full precision, where the model computes in BF16; else undefined
  at::Tensor first;   // SGD: momentum; AdamW: first moment. Undefined before the first update
  at::Tensor second;  // AdamW: second moment
  // Of general text: mean of squared gradients over single windows, an empirical Fisher information's diagonal.
  // Undefined: counts as 0.
  at::Tensor general;
  int64_t updates = 0;
};

// What one update is given beside the gradient.
struct UpdateStep {
  double lr = 0;
  double weight_decay = 0;
  double scale = 1;  // of the gradient
};

// One of several updates that are made together.
struct SliceUpdate {
  UpdateStep step;
  at::Tensor weight, gradient;  // as of a single one
  SliceState* state = nullptr;
  const Protection* protection = nullptr;  // of its change; null: none
};

struct Optimizer {
  std::string name;
  // One update in place. weight: the slice (its master, where there is one); gradient: same shape, its dtype or BF16,
  // may be overwritten; it counts `scale` times (clipping).
  void (*update)(const OptimizerSpec& spec, const UpdateStep& step, const at::Tensor& weight,
                 const at::Tensor& gradient, SliceState* state);
  int states;  // tensors of state per slice, for memory plans; without SliceState::general
  // What the updates add to their weights, of each in its gradient's layout; states move on, weights stay. For devices,
  // where a kernel a slice costs more than its work. Null: one after the other.
  std::vector<at::Tensor> (*changes)(const OptimizerSpec& spec, const std::vector<SliceUpdate>& updates) = nullptr;
};

// One update in place, whose change is kept off what its protection has.
void update_one(const Optimizer& optimizer, const OptimizerSpec& spec, const SliceUpdate& update);

const std::vector<Optimizer>& optimizers();
const Optimizer& find_optimizer(const std::string& name);  // throws UsageError listing the known ones

// An optimiser is one file and one line here. It is declared, and listed in this order.
#define CIRCUIT_OPTIMIZERS(METHOD) \
  METHOD(sgd)                      \
  METHOD(adamw)
#define CIRCUIT_DECLARE(name) Optimizer name();
CIRCUIT_OPTIMIZERS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

}  // namespace circuit
