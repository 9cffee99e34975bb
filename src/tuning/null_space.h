// Updates that general text does not feel: projected away from the directions that its inputs to a linear layer take.
// y = x W does not change by ΔW where x U Uᵀ ΔW = 0; U: the strongest principal directions of those x (not centred).
// After AlphaEdit (Fang et al. 2024, arXiv 2410.02355) and LoRA-Null (2503.02659), for the slices of a circuit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "graph/slices.h"
#include "tuning/weight_gradients.h"

namespace circuit {

// What may not move of an entry's change.
struct Protection {
  // [inputs, k] float32 at least, orthonormal columns: the change's part along them is taken away. Undefined: all of
  // it, where an entry is no map of inputs (biases, norms, embeddings).
  at::Tensor directions;
  int64_t input_dim = 0;  // of the entry's tensor
};

// From a change of the entry's shape, in place.
void take_away(const Protection& protection, const at::Tensor& change);

// Of the inputs of one entry: Σ x xᵀ, [inputs, inputs]; undefined for what is no map of inputs.
struct InputMoment {
  at::Tensor sum;
  int64_t input_dim = 0;
};

// The directions that hold `share` of the trace, the strongest first. share: above 0, below 1.
Protection protection_of(const InputMoment& moment, double share);

// Takes the inputs of entries from backwards. Heads that read the same stream share a sum, as do an MLP's two inputs;
// of what an entry has only some inputs of, the sum is of those alone.
class InputMoments : public WeightSink {
 public:
  // Throws Error for a model with experts, whose inputs a backward does not show.
  InputMoments(const Model& model, const std::vector<Slice>& entries);

  bool wants(const std::string& tensor) const override { return shows_.count(tensor) > 0; }
  void linear(const TensorRef& ref, Units units, int64_t first, const at::Tensor& input,
              const at::Tensor& d_out) override;
  void vector(const std::string&, int64_t, const at::Tensor&) override {}
  void lookup(const std::string&, const at::Tensor&, const at::Tensor&) override {}
  void block(const std::string&, int64_t, int64_t, const at::Tensor&) override {}
  void whole(const std::string&, const at::Tensor&) override {}

  // Bytes of one of all sums, and at most of the directions made of them.
  int64_t bytes() const;
  // The sums since the last call, one after the other.
  std::vector<at::Tensor> take();
  // Per entry, from such sums.
  std::vector<InputMoment> of_entries(const std::vector<at::Tensor>& sums) const;

 private:
  struct Sum {
    int64_t start = 0, length = 0;  // inputs
    at::Tensor value;
  };
  struct Entry {
    int64_t sum = -1;  // −1: no map of inputs
    int64_t input_dim = 0;
  };
  std::vector<Sum> sums_;
  std::vector<Entry> entries_;
  std::map<std::string, std::vector<size_t>> shows_;  // by the tensor whose inputs are taken
};

}  // namespace circuit
