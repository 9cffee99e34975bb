// What a run trains: its parameters, their optimiser state, and the model they make. Slices of the model's own
// tensors (slice_store.h) or adapters beside them (lora_store.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "graph/slices.h"
#include "model/checkpoint.h"
#include "tuning/optimizer.h"
#include "tuning/weight_gradients.h"

namespace circuit {

struct UpdateNorms {
  double gradient = 0;                  // global norm before clipping
  std::vector<int64_t> slices;          // ids of the entries updated; this and the next two when asked for
  std::vector<double> slice_gradients;  // ‖g‖ after clipping
  std::vector<double> slice_updates;    // ‖Δw‖
};

// What a gradient of this norm is multiplied with so that none is longer than `clip` (0: no clipping). Throws Error on
// a norm that is not finite.
double clip_factor(double norm, double clip);

class ParameterStore {
 public:
  ParameterStore() = default;
  virtual ~ParameterStore() = default;
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  // What can be trained, by id: slices, or adapters with the tensor each is for.
  virtual const std::vector<Slice>& table() const = 0;
  // Entries trained now.
  virtual const std::vector<int64_t>& current() const = 0;
  virtual int64_t current_parameters() const = 0;
  // Parameters of every entry trained at least once.
  virtual int64_t touched_parameters() const = 0;
  // Parameters of the model in which a change by this store can be.
  virtual int64_t changed_parameters() const = 0;

  // Gradients of one update are shown to this sink, backward by backward; update consumes them.
  virtual WeightSink& begin_step() = 0;
  enum class Detail { kGlobal, kPerSlice };
  // Clips by the global norm (clip 0: no clipping) and updates. Throws Error on a gradient that is not finite.
  virtual UpdateNorms update(const OptimizerSpec& spec, double lr, double clip, Detail detail) = 0;

  // Bytes of optimiser state and of values held beside the model's, now.
  virtual int64_t state_bytes() const = 0;

  // Checkpoint tensors: values, by a name that starts with the tensor's name in the files and "[", and their state.
  virtual NamedTensors value_tensors() const = 0;
  virtual NamedTensors state_tensors() const = 0;
  // Restores both into the model; states null: the values alone, to be read and not trained on. Throws Error naming the
  // tensor on a name or shape that does not belong.
  virtual void restore(const TensorFile& values, const TensorFile* states, const std::vector<int64_t>& current) = 0;

  // Whole tensors that differ from the base, by file name, in the base's dtype.
  virtual std::map<std::string, at::Tensor> changed_tensors(const Checkpoint& base) const = 0;

 protected:
  friend class RoundedModel;
  // Views on the model's parameters that this store has changed, to be written to, with their tensor's name in the
  // files.
  virtual std::vector<std::pair<std::string, at::Tensor>> changed_views() = 0;
};

// While it lives, the model holds what the store changed rounded to each tensor's dtype in the checkpoint (what an
// export would hold); then the exact values again.
class RoundedModel {
 public:
  RoundedModel(ParameterStore& store, const Checkpoint& base);
  ~RoundedModel();
  RoundedModel(const RoundedModel&) = delete;
  RoundedModel& operator=(const RoundedModel&) = delete;

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> kept_;  // view, exact value
};

}  // namespace circuit
