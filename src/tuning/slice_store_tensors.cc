// What of a SliceStore stands in files: a checkpoint's values and states, and the changed model.
#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>

#include "core/error.h"
#include "tuning/slice_store.h"

namespace circuit {

std::string SliceStore::key_of(int64_t id) const {
  const Slice& s = table_[id];
  return fmt::format("{}[{}:{}:{}]", model_.file_name(s.tensor), s.dim, s.start, s.start + s.length);
}

std::string SliceStore::protection_key(int64_t id, bool divided) const {
  return (divided ? key_of(id) : model_.file_name(table_[id].tensor)) + ".spared";
}

NamedTensors SliceStore::value_tensors() const {
  NamedTensors tensors;
  for (const auto& [id, state] : collected_.empty() ? states_ : collected_) {
    tensors.emplace_back(key_of(id), state.master.defined() ? state.master : view_of(id));
  }
  return tensors;
}

NamedTensors SliceStore::state_tensors() const {
  NamedTensors tensors;
  for (const auto& [id, state] : collected_.empty() ? states_ : collected_) {
    tensors.emplace_back(key_of(id) + ".updates", at::scalar_tensor(state.updates, at::kLong));
    if (state.first.defined()) tensors.emplace_back(key_of(id) + ".first", state.first);
    if (state.second.defined()) tensors.emplace_back(key_of(id) + ".second", state.second);
    if (state.general.defined()) tensors.emplace_back(key_of(id) + ".general", state.general);
  }
  std::set<std::string> named;
  for (const auto& [id, protection] : protected_) {
    const std::string name = protection_key(id, protection.input_dim == table_[id].dim);
    if (protection.directions.defined() && named.insert(name).second) tensors.emplace_back(name, protection.directions);
  }
  return tensors;
}

void SliceStore::restore(const TensorFile& values, const TensorFile* states, const std::vector<int64_t>& current) {
  std::map<std::string, int64_t> ids;
  for (int64_t id = 0; id < static_cast<int64_t>(table_.size()); ++id) ids[key_of(id)] = id;
  states_.clear();
  std::vector<int64_t> known = current;
  for (const TensorEntry& entry : values.header().tensors) {
    if (const auto found = ids.find(entry.name); found != ids.end()) known.push_back(found->second);
  }
  known.erase(std::remove_if(known.begin(), known.end(),
                             [&](int64_t id) { return id < 0 || id >= static_cast<int64_t>(table_.size()); }),
              known.end());
  find_owners(known);
  for (const TensorEntry& entry : values.header().tensors) {
    const auto found = ids.find(entry.name);
    if (found == ids.end()) fail(values.path(), "'{}' is not a slice of this model.", entry.name);
    const int64_t id = found->second;
    const at::Tensor value = values.tensor(entry.name);
    const at::Tensor view = writable_view_of(id);
    if (value.sizes() != view.sizes())
      fail(values.path(), "'{}' has another shape than the model's slice.", entry.name);
    enter(id);
    SliceState& state = states_[id];
    if (state.master.defined()) state.master.copy_(value);
    view.copy_(value);
    // Pages that are copied already are memory held twice.
    values.release(entry.name);
    if (states == nullptr) continue;
    if (states->contains(entry.name + ".general")) curved_.insert(id);
    restore_protection(id, *states);
    if (!is_own(id)) continue;
    const auto load = [&](const std::string& suffix) {
      const std::string name = entry.name + suffix;
      if (!states->contains(name)) return at::Tensor();
      at::Tensor t = states->tensor(name).clone().to(model_.device());
      if (t.sizes() != view.sizes()) fail(states->path(), "'{}' has another shape than its slice.", name);
      states->release(name);
      return t;
    };
    state.first = load(".first");
    state.second = load(".second");
    state.general = load(".general");
    state.updates = states->tensor(entry.name + ".updates").item<int64_t>();
  }
  current_ = current;
  for (const int64_t id : current_) {
    if (id < 0 || id >= static_cast<int64_t>(table_.size())) fail(values.path(), "slice {} does not exist.", id);
    enter(id);
  }
}

void SliceStore::restore_protection(int64_t id, const TensorFile& states) {
  const int64_t dim = table_[id].dim;
  for (const bool divided : {true, false}) {
    const std::string name = protection_key(id, divided);
    if (!states.contains(name)) continue;
    // Slices of one tensor share them.
    const Protection* shared = divided ? nullptr : protection_of_tensor(id);
    const at::Tensor directions =
        shared != nullptr ? shared->directions : states.tensor(name).clone().to(model_.device());
    protected_[id] = {directions, divided ? dim : 1 - dim};
  }
}

std::map<std::string, at::Tensor> SliceStore::changed_tensors(const Checkpoint& base) const {
  std::map<std::string, at::Tensor> changed;
  for (const auto& [id, state] : states_) {
    const Slice& s = table_[id];
    const std::string name = model_.file_name(s.tensor);
    at::Tensor& whole = changed[name];
    // A copy of the base's own tensor: through the model's dtype, what was never selected would be rounded.
    if (!whole.defined()) whole = base.tensor(name).clone();
    whole.narrow(s.dim, s.start, s.length).copy_(state.master.defined() ? state.master : view_of(id));
  }
  return changed;
}

std::vector<std::pair<std::string, at::Tensor>> SliceStore::changed_views() {
  std::vector<std::pair<std::string, at::Tensor>> views;
  for (const auto& [id, state] : states_) views.emplace_back(model_.file_name(table_[id].tensor), writable_view_of(id));
  return views;
}

}  // namespace circuit
