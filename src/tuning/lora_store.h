// LoRA (Hu et al. 2021, arXiv 2106.09685) as a baseline: W = W₀ + (α/r) B A for chosen linear layers, with A and B
// trained. The forward runs on the merged W, so what is evaluated is what an export holds; the gradients of A and B
// are products of rank r, never a dense one. Dropout on the adapters' input cannot be merged and is not offered.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tuning/parameter_store.h"

namespace circuit {

struct LoraSpec {
  int64_t rank = 8;
  std::map<std::string, int64_t> ranks;  // of tensors whose rank is another, by layout name
  double alpha = 16;                     // at `rank`: adapters count alpha / rank times, whatever their own is
  // Names of the linear layers, as PEFT's target_modules: the last part of the module's name ("c_attn", "q_proj"), or
  // all-linear.
  std::vector<std::string> targets{"all-linear"};
  uint64_t seed = 0;

  int64_t rank_of(const std::string& tensor) const;
  double scale() const { return alpha / static_cast<double>(rank); }
};

// The linear layers of a model: tensor name (layout), inputs, outputs.
struct LinearLayer {
  std::string tensor;
  std::string module;  // the tensor's name without ".weight"
  int64_t inputs = 0;
  int64_t outputs = 0;
  bool transposed = false;  // stored [out, in]
};
// In the order of the layers. targets: see LoraSpec. Throws UsageError naming a target that no layer has.
std::vector<LinearLayer> linear_layers(const Model& model, const std::vector<std::string>& targets);

// Rows of outputs and columns of inputs that an adapter may change, by tensor; a tensor that is absent is untouched.
struct AdapterReach {
  std::vector<bool> inputs, outputs;  // empty: all
};
using AdapterReaches = std::map<std::string, AdapterReach>;
// What slices divide: adapters that change those alone.
AdapterReaches reach_of(const Model& model, const std::vector<Slice>& slices);

// Ranks in proportion to weights, by tensor, with about as many parameters in all as `rank` everywhere has; at least 1,
// at most what the tensor's reach lets a product have. per_rank: parameters of one rank.
struct RankedLayer {
  double weight = 0;  // at least 0
  int64_t per_rank = 0, most = 0;
};
std::map<std::string, int64_t> ranks_by_weight(const std::map<std::string, RankedLayer>& layers, int64_t rank);

class LoraStore : public ParameterStore {
 public:
  // reaches: null: whole tensors. Initial values as PEFT's: A uniform in ±1/√in, B zero.
  // model: what is trained, and written to.
  LoraStore(Model& model, const LoraSpec& spec, const AdapterReaches* reaches = nullptr);

  const std::vector<Slice>& table() const override { return table_; }
  const std::vector<int64_t>& current() const override { return all_; }
  int64_t current_parameters() const override;
  int64_t touched_parameters() const override { return current_parameters(); }
  int64_t changed_parameters() const override;

  WeightSink& begin_batch() override;
  // ∂A and ∂B of every adapter in turn.
  std::vector<at::Tensor> take_gradients() override;
  UpdateNorms update(const OptimizerSpec& spec, double lr, double clip, Detail detail,
                     std::vector<at::Tensor> gradients) override;
  bool lacks_curvature() const override { return !curved_; }
  void take_curvature(const std::vector<at::Tensor>& squares) override;
  bool lacks_protection() const override { return !protected_; }
  // Of B A x: A is kept off the directions, from its first value on.
  void protect(const std::vector<InputMoment>& inputs, double share) override;
  int64_t state_bytes() const override;

  NamedTensors value_tensors() const override;
  NamedTensors state_tensors() const override;
  void restore(const TensorFile& values, const TensorFile* states, const std::vector<int64_t>& current) override;
  std::map<std::string, at::Tensor> changed_tensors(const Checkpoint& base) const override;

  // Parameters of one rank of these layers, for a rank that matches a size.
  static int64_t parameters_per_rank(const Model& model, const std::vector<std::string>& targets,
                                     const AdapterReaches* reaches = nullptr);

  struct Adapter {
    LinearLayer layer;
    at::Tensor base;            // W₀ as stored, a copy
    at::Tensor a;               // [its rank, in] float32 (float64 in tests)
    at::Tensor b;               // [out, rank]
    at::Tensor a_mask, b_mask;  // [1, in], [out, 1] of 0 and 1; undefined: all
    SliceState a_state, b_state;
    at::Tensor a_gradient, b_gradient;
    std::optional<Protection> protection;  // of A
  };
  const std::vector<Adapter>& adapters() const { return adapters_; }
  const LoraSpec& spec() const { return spec_; }
  double scale() const { return spec_.scale(); }

 protected:
  std::vector<std::pair<std::string, at::Tensor>> changed_views() override;

 private:
  class Sink;
  void merge(const Adapter& adapter);

  Model& model_;
  LoraSpec spec_;
  std::vector<Adapter> adapters_;
  std::map<std::string, size_t> by_tensor_;
  std::vector<Slice> table_;
  std::vector<int64_t> all_;
  std::shared_ptr<WeightSink> sink_;
  bool curved_ = false, protected_ = false;
};

// (α/r) B A as the tensor stores it, added to `base` where it is not zero, so that a row it does not reach keeps its
// bytes. base as stored; a [rank, in], b [out, rank].
at::Tensor merged(const at::Tensor& base, const at::Tensor& a, const at::Tensor& b, double scale, bool transposed);

}  // namespace circuit
