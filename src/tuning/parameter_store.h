// What a run trains: its parameters, their optimiser state, and the model they make. Slices of the model's own
// tensors (slice_store.h) or adapters beside them (lora_store.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "graph/slices.h"
#include "model/checkpoint.h"
#include "tuning/null_space.h"
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

  // Gradients of one micro-batch are shown to this sink, backward by backward …
  virtual WeightSink& begin_batch() = 0;
  // … and taken: the same number and shapes of every one, undefined where no backward reached an entry. They may be
  // added up with those of others.
  virtual std::vector<at::Tensor> take_gradients() = 0;
  // Which rank updates what each of them belongs to, and alone keeps its state (ZeRO, Rajbhandari et al. 2020, arXiv
  // 1910.02054, stages 1 and 2). Empty: all ranks do the same.
  virtual std::vector<int> owners() const { return {}; }
  enum class Detail { kGlobal, kPerSlice };
  // Clips by the global norm (clip 0: no clipping) and updates. gradients: of the whole step, each on its owner at
  // least. Afterwards all ranks have the new values. Throws Error on a gradient that is not finite.
  virtual UpdateNorms update(const OptimizerSpec& spec, double lr, double clip, Detail detail,
                             std::vector<at::Tensor> gradients) = 0;

  // General text (general_text.h) before entries are trained. Whether one that is trained now lacks its mean squared
  // gradients (SliceState::general), the same on all ranks; those, as take_gradients has gradients, on each one's owner
  // at least: who has some already keeps them.
  virtual bool lacks_curvature() const = 0;
  virtual void take_curvature(const std::vector<at::Tensor>& squares) = 0;
  // Whether one lacks its Protection; the inputs of current() in turn, from which it is made with a share of them.
  virtual bool lacks_protection() const = 0;
  virtual void protect(const std::vector<InputMoment>& inputs, double share) = 0;

  // Bytes of optimiser state and of values held beside the model's, now, on this rank.
  virtual int64_t state_bytes() const = 0;

  // While it lives, the first rank has the state of all (for a checkpoint). All ranks make one at the same time.
  class Collected {
   public:
    explicit Collected(ParameterStore& store) : store_(store) { store_.collect(); }
    ~Collected() { store_.drop_collected(); }
    Collected(const Collected&) = delete;
    Collected& operator=(const Collected&) = delete;

   private:
    ParameterStore& store_;
  };

  // Checkpoint tensors: values, by a name that starts with the tensor's name in the files and "[", and their state.
  virtual NamedTensors value_tensors() const = 0;
  virtual NamedTensors state_tensors() const = 0;
  // Restores both into the model; states null: the values alone, to be read and not trained on. Throws Error naming the
  // tensor on a name or shape that does not belong.
  virtual void restore(const TensorFile& values, const TensorFile* states, const std::vector<int64_t>& current) = 0;

  // Whole tensors that differ from the base, by file name, in the base's dtype.
  virtual std::map<std::string, at::Tensor> changed_tensors(const Checkpoint& base) const = 0;

 protected:
  virtual void collect() {}
  virtual void drop_collected() {}
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
