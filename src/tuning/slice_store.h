// The slices a run has ever trained: their state, their full-precision values, and what leaves the run as a
// changed model. Everything else in the model is never written to.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tuning/gradients.h"
#include "tuning/parameter_store.h"

namespace circuit {

class SliceStore : public ParameterStore {
 public:
  // table: every slice the method can select, by id. rates: factor of the learning rate of each; empty: 1.
  // model: what is trained, and written to.
  SliceStore(Model& model, std::vector<Slice> table, std::vector<double> rates = {});

  const std::vector<Slice>& table() const override { return table_; }
  const std::vector<int64_t>& current() const override { return current_; }
  std::vector<Slice> current_slices() const;
  int64_t current_parameters() const override;
  int64_t touched_parameters() const override;
  int64_t changed_parameters() const override { return touched_parameters(); }

  // What happens to a slice's optimiser state while it is not selected.
  enum class OnReturn { kKeep, kReset };
  void select(std::vector<int64_t> ids, OnReturn on_return);
  void select_all();

  // Gradients of the current slices, in their order.
  SliceGradients& begin_batch() override;
  std::vector<at::Tensor> take_gradients() override;
  std::vector<int> owners() const override;
  UpdateNorms update(const OptimizerSpec& spec, double lr, double clip, Detail detail,
                     std::vector<at::Tensor> gradients) override;

  bool lacks_curvature() const override;
  void take_curvature(const std::vector<at::Tensor>& squares) override;
  bool lacks_protection() const override;
  void protect(const std::vector<InputMoment>& inputs, double share) override;

  int64_t state_bytes() const override;
  // Values of all slices ever selected (masters where there are any), and their state.
  NamedTensors value_tensors() const override;
  NamedTensors state_tensors() const override;
  void restore(const TensorFile& values, const TensorFile* states, const std::vector<int64_t>& current) override;

  // The base's bytes, and the values of all slices ever selected rounded to their dtype.
  std::map<std::string, at::Tensor> changed_tensors(const Checkpoint& base) const override;

 protected:
  void collect() override;
  void drop_collected() override;
  std::vector<std::pair<std::string, at::Tensor>> changed_views() override;

 private:
  std::string key_of(int64_t id) const;
  // Of the directions that a slice's change is kept off. divided: of the slice's own inputs; else all slices of the
  // tensor have its inputs, and one key.
  std::string protection_key(int64_t id, bool divided) const;
  // That a slice of the same tensor has had since it came in; null: none has.
  const Protection* protection_of_tensor(int64_t id) const;
  void restore_protection(int64_t id, const TensorFile& states);
  at::Tensor view_of(int64_t id) const { return slice_view(model_, table_[id]); }
  at::Tensor writable_view_of(int64_t id) { return writable_slice(model_, table_[id]); }
  void enter(int64_t id);
  void find_owners(const std::vector<int64_t>& ids);
  bool is_own(int64_t id) const;
  // ‖g‖ of the current slices on every rank; −1: no backward reached it.
  std::vector<double> gradient_lengths(const std::vector<at::Tensor>& gradients) const;
  // The owners' values and how far they moved, on every rank.
  std::vector<double> update_in_turn(const Optimizer& optimizer, const OptimizerSpec& spec, Detail detail,
                                     std::vector<SliceUpdate>* updates) const;
  void share_values(const std::vector<double>& lengths, std::vector<double>* changes);
  int64_t largest_slice() const;  // parameters

  Model& model_;
  std::vector<Slice> table_;
  std::vector<double> rates_;
  std::vector<int64_t> current_;
  std::map<int64_t, SliceState> states_;  // slices ever selected; without tensors where another rank owns them
  static constexpr int kNobody = -1;
  std::vector<int> owner_of_;  // by id, from the first time it is selected on; empty: one rank
  std::vector<int64_t> load_;  // parameters that each rank owns
  std::map<int64_t, SliceState> collected_;
  std::set<int64_t> curved_;                 // slices whose curvature was taken, whoever owns them
  std::map<int64_t, Protection> protected_;  // of every slice ever selected, where there are any
  std::optional<SliceGradients> gradients_;
};

// Slices of the method `full`: every parameter tensor whole, tied ones once.
std::vector<Slice> whole_tensors(const Model& model);

}  // namespace circuit
