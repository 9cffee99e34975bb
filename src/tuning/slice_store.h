// The slices a run has ever trained: their state, their full-precision values, and what leaves the run as a
// changed model. Everything else in the model is never written to.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "graph/slices.h"
#include "model/checkpoint.h"
#include "tuning/gradients.h"
#include "tuning/optimizer.h"
#include "tuning/schedule.h"

namespace circuit {

struct UpdateNorms {
  double gradient = 0;                    // global norm before clipping
  std::vector<int64_t> slices;            // ids of the slices updated; this and the next two when asked for
  std::vector<double> slice_gradients;    // ‖g‖ after clipping
  std::vector<double> slice_updates;      // ‖Δw‖
};

class SliceStore {
 public:
  // table: every slice the method can select, by id.
  SliceStore(const Model& model, std::vector<Slice> table);

  const std::vector<Slice>& table() const { return table_; }
  const std::vector<int64_t>& current() const { return current_; }
  std::vector<Slice> current_slices() const;
  int64_t current_parameters() const;
  // Parameters of every slice selected at least once.
  int64_t touched_parameters() const;

  // What happens to a slice's optimiser state while it is not selected.
  enum class OnReturn { kKeep, kReset };
  void select(std::vector<int64_t> ids, OnReturn on_return);

  enum class Detail { kGlobal, kPerSlice };
  // Clips by the global norm (clip 0: no clipping) and updates the current slices.
  UpdateNorms update(SliceGradients& gradients, const OptimizerSpec& spec, double lr, double clip, Detail detail);

  // Bytes of optimiser state and masters now.
  int64_t state_bytes() const;

  // Checkpoint tensors: values of all slices ever selected (masters where there are any), and their state.
  NamedTensors value_tensors() const;
  NamedTensors state_tensors() const;
  // Restores both into the model. Throws Error naming the tensor on a name or shape that does not belong.
  void restore(const TensorFile& values, const TensorFile& states, const std::vector<int64_t>& current);

  // Whole tensors that differ from the base, by file name, in the base's dtype: its bytes, and the values of
  // all slices ever selected (masters where there are any) rounded to it.
  std::map<std::string, at::Tensor> changed_tensors(const Checkpoint& base) const;

  // While it lives, the model holds the touched slices rounded to each tensor's dtype in the checkpoint
  // (what an export would hold); then the exact values again.
  class Rounded {
   public:
    Rounded(const SliceStore& store, const Checkpoint& base);
    ~Rounded();
    Rounded(const Rounded&) = delete;
    Rounded& operator=(const Rounded&) = delete;

   private:
    std::vector<std::pair<at::Tensor, at::Tensor>> kept_;  // view, exact value
  };

 private:
  std::string key_of(int64_t id) const;
  at::Tensor view_of(int64_t id) const { return slice_view(model_, table_[id]); }
  void enter(int64_t id);

  const Model& model_;
  std::vector<Slice> table_;
  std::vector<int64_t> current_;
  std::map<int64_t, SliceState> states_;  // slices ever selected
};

// Slices of the method `full`: every parameter tensor whole, tied ones once.
std::vector<Slice> whole_tensors(const Model& model);

}  // namespace circuit
