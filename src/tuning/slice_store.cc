#include "tuning/slice_store.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/heap.h"
#include "ranks/communicator.h"
#include "tuning/euclidean_norm.h"
#include "tuning/foreach.h"

namespace circuit {

std::vector<Slice> whole_tensors(const Model& model) {
  std::vector<Slice> slices;
  for (const TensorShape& t : model.layout().tensors) {
    const at::Tensor& p = model.parameter(t.name);
    slices.push_back({t.name, t.name, 0, 0, p.size(0), p.numel()});
  }
  return slices;
}

SliceStore::SliceStore(Model& model, std::vector<Slice> table, std::vector<double> rates)
    : model_(model), table_(std::move(table)), rates_(std::move(rates)) {
  if (!world().is_alone()) {
    owner_of_.assign(table_.size(), kNobody);
    load_.assign(world().count(), 0);
  }
}

// To the rank that has the fewest parameters so far, the largest first; the same on all ranks.
void SliceStore::find_owners(const std::vector<int64_t>& ids) {
  if (owner_of_.empty()) return;
  std::vector<int64_t> order;
  for (const int64_t id : ids) {
    if (owner_of_[id] == kNobody) order.push_back(id);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return table_[a].parameters > table_[b].parameters; });
  for (const int64_t id : order) {
    const auto least = std::min_element(load_.begin(), load_.end());
    owner_of_[id] = static_cast<int>(least - load_.begin());
    *least += table_[id].parameters;
  }
}

bool SliceStore::is_own(int64_t id) const { return owner_of_.empty() || owner_of_[id] == world().rank(); }

std::vector<int> SliceStore::owners() const {
  std::vector<int> owners;
  if (owner_of_.empty()) return owners;
  for (const int64_t id : current_) owners.push_back(owner_of_[id]);
  return owners;
}

std::vector<Slice> SliceStore::current_slices() const {
  std::vector<Slice> slices;
  for (const int64_t id : current_) slices.push_back(table_[id]);
  return slices;
}

int64_t SliceStore::current_parameters() const {
  int64_t count = 0;
  for (const int64_t id : current_) count += table_[id].parameters;
  return count;
}

int64_t SliceStore::touched_parameters() const {
  int64_t count = 0;
  for (const auto& [id, state] : states_) count += table_[id].parameters;
  return count;
}

namespace {

// Before tensors of so many float32 numbers are made that stay.
void make_room(int64_t numbers) {
  constexpr int64_t kWorthTheFaults = int64_t{64} << 20;
  if (numbers >= kWorthTheFaults) release_free_memory();
}

}  // namespace

void SliceStore::enter(int64_t id) {
  SliceState& state = states_[id];
  const bool needs_master = model_.dtype() != at::kFloat && model_.dtype() != at::kDouble;
  if (needs_master && !state.master.defined() && is_own(id)) {
    state.master = view_of(id).to(at::kFloat).contiguous();
  }
}

void SliceStore::select(std::vector<int64_t> ids, OnReturn on_return) {
  std::sort(ids.begin(), ids.end());
  if (on_return == OnReturn::kReset) {
    for (const int64_t id : current_) {
      if (std::binary_search(ids.begin(), ids.end(), id)) continue;
      SliceState& left = states_[id];
      left.first = left.second = at::Tensor();
      left.updates = 0;
    }
  }
  int64_t entering = 0;
  for (const int64_t id : ids) entering += states_.count(id) > 0 ? 0 : table_[id].parameters;
  make_room(entering);
  find_owners(ids);
  for (const int64_t id : ids) enter(id);
  current_ = std::move(ids);
}

void SliceStore::select_all() {
  std::vector<int64_t> all(table_.size());
  std::iota(all.begin(), all.end(), 0);
  select(std::move(all), OnReturn::kKeep);
}

int64_t SliceStore::largest_slice() const {
  int64_t most = 0;
  for (const int64_t id : current_) most = std::max(most, table_[id].parameters);
  return most;
}

SliceGradients& SliceStore::begin_batch() { return gradients_.emplace(model_, current_slices()); }

std::vector<at::Tensor> SliceStore::take_gradients() {
  std::vector<at::Tensor> gradients = gradients_->take();
  gradients_.reset();
  return gradients;
}

std::vector<double> SliceStore::gradient_lengths(const std::vector<at::Tensor>& gradients) const {
  constexpr double kUnreached = -1;
  std::vector<double> lengths = euclidean_norms(gradients, kUnreached);
  if (owner_of_.empty()) return lengths;
  const at::Tensor own = at::tensor(lengths, at::kDouble);
  std::vector<at::Tensor> of_rank;
  for (const at::Tensor& bytes : gather(world(), "lengths of gradients", pack({own})))
    of_rank.push_back(unpack(bytes)[0]);
  for (size_t i = 0; i < lengths.size(); ++i) lengths[i] = of_rank[owner_of_[current_[i]]].data_ptr<double>()[i];
  return lengths;
}

void SliceStore::share_values(const std::vector<double>& lengths, std::vector<double>* changes) {
  if (owner_of_.empty()) return;
  std::vector<at::Tensor> own{at::tensor(*changes, at::kDouble)};
  for (size_t i = 0; i < current_.size(); ++i) {
    if (lengths[i] >= 0 && is_own(current_[i])) own.push_back(view_of(current_[i]));
  }
  std::vector<at::Tensor> outgoing(world().count(), pack(own));
  outgoing[world().rank()] = at::empty({0}, at::kByte);
  const std::vector<at::Tensor> all = world().exchange("new values", std::move(outgoing));
  std::vector<std::vector<at::Tensor>> of_rank;
  for (const at::Tensor& bytes : all) of_rank.push_back(bytes.numel() > 0 ? unpack(bytes) : std::vector<at::Tensor>());
  std::vector<size_t> next(of_rank.size(), 1);
  for (size_t i = 0; i < current_.size(); ++i) {
    const int owner = owner_of_[current_[i]];
    if (lengths[i] < 0 || owner == world().rank()) continue;
    (*changes)[i] = of_rank[owner][0].data_ptr<double>()[i];
    writable_view_of(current_[i]).copy_(of_rank[owner][next[owner]++]);
  }
}

// Returns ‖Δw‖ of each, where asked for.
std::vector<double> SliceStore::update_in_turn(const Optimizer& optimizer, const OptimizerSpec& spec, Detail detail,
                                               std::vector<SliceUpdate>* updates) const {
  // One for all slices: glibc before 2.38 puts no aligned block where one of its size was, and each would stay a hole.
  at::Tensor scratch;
  std::vector<double> changes;
  for (SliceUpdate& u : *updates) {
    at::Tensor before;
    if (detail == Detail::kPerSlice) {
      if (!scratch.defined()) scratch = at::empty({largest_slice()}, u.weight.options());
      before = scratch.narrow(0, 0, u.weight.numel()).view(u.weight.sizes()).copy_(u.weight);
    }
    optimizer.update(spec, u.step, u.weight, u.gradient, u.state);
    u.gradient = at::Tensor();
    if (detail == Detail::kPerSlice) changes.push_back(euclidean_norm(before.sub_(u.weight)));
  }
  return changes;
}

std::vector<double> SliceStore::update_together(const Optimizer& optimizer, const OptimizerSpec& spec, Detail detail,
                                                const std::vector<SliceUpdate>& updates) {
  const std::vector<at::Tensor> changes = optimizer.changes(spec, updates);
  add_changes(updates, changes);
  return detail == Detail::kPerSlice ? euclidean_norms(changes, 0) : std::vector<double>();
}

UpdateNorms SliceStore::update(const OptimizerSpec& spec, double lr, double clip, Detail detail,
                               std::vector<at::Tensor> gradients) {
  UpdateNorms norms;
  const std::vector<double> lengths = gradient_lengths(gradients);
  double squares = 0;
  for (const double length : lengths) squares += length < 0 ? 0 : length * length;
  norms.gradient = std::sqrt(squares);
  const double factor = clip_factor(norms.gradient, clip);
  const Optimizer& optimizer = find_optimizer(spec.kind);
  int64_t first_updates = 0;
  for (const int64_t id : current_)
    first_updates += states_.at(id).updates > 0 || !is_own(id) ? 0 : table_[id].parameters;
  make_room(first_updates * optimizer.states);
  std::vector<SliceUpdate> updates;
  std::vector<size_t> updated;
  for (size_t i = 0; i < current_.size(); ++i) {
    const int64_t id = current_[i];
    if (lengths[i] < 0 || !is_own(id)) continue;
    SliceState& state = states_[id];
    const at::Tensor view = writable_view_of(id);
    SliceUpdate u{{}, state.master.defined() ? state.master : view, std::move(gradients[i]), &state};
    u.step.lr = rates_.empty() ? lr : lr * rates_[id];
    u.step.weight_decay = view.dim() == 1 && !spec.decay_biases ? 0 : spec.weight_decay;
    u.step.scale = factor;
    updates.push_back(std::move(u));
    updated.push_back(i);
  }
  const bool together = !model_.device().is_cpu() && optimizer.changes != nullptr && !updates.empty();
  const std::vector<double> lengths_of_changes =
      together ? update_together(optimizer, spec, detail, updates) : update_in_turn(optimizer, spec, detail, &updates);
  std::vector<double> changes(current_.size());
  for (size_t i = 0; i < lengths_of_changes.size(); ++i) changes[updated[i]] = lengths_of_changes[i];
  for (const size_t i : updated) {
    const SliceState& state = states_[current_[i]];
    if (state.master.defined()) writable_view_of(current_[i]).copy_(state.master);
  }
  share_values(lengths, &changes);
  if (detail == Detail::kPerSlice) {
    for (size_t i = 0; i < current_.size(); ++i) {
      if (lengths[i] < 0) continue;
      norms.slices.push_back(current_[i]);
      norms.slice_gradients.push_back(factor * lengths[i]);
      norms.slice_updates.push_back(changes[i]);
    }
  }
  gradients.clear();
  make_room(first_updates * optimizer.states);
  return norms;
}

void SliceStore::collect() {
  if (owner_of_.empty()) return;
  std::vector<at::Tensor> own;
  for (const auto& [id, state] : states_) {
    if (!is_own(id)) continue;
    for (const at::Tensor& t : {state.master, state.first, state.second}) own.push_back(t);
    own.push_back(at::scalar_tensor(state.updates, at::kLong));
  }
  std::vector<at::Tensor> outgoing(world().count(), at::empty({0}, at::kByte));
  outgoing[0] = pack(own);
  const std::vector<at::Tensor> incoming = world().exchange("the state of slices", std::move(outgoing));
  if (!world().leads()) return;
  std::vector<std::vector<at::Tensor>> of_rank;
  for (const at::Tensor& bytes : incoming) of_rank.push_back(unpack(bytes));
  std::vector<size_t> next(of_rank.size());
  for (const auto& [id, state] : states_) {
    const std::vector<at::Tensor>& from = of_rank[owner_of_[id]];
    size_t& at = next[owner_of_[id]];
    collected_[id] = {from[at], from[at + 1], from[at + 2], from[at + 3].item<int64_t>()};
    at += 4;
  }
}

void SliceStore::drop_collected() { collected_.clear(); }

int64_t SliceStore::state_bytes() const {
  int64_t bytes = 0;
  for (const auto& [id, s] : states_) {
    for (const at::Tensor* t : {&s.master, &s.first, &s.second}) {
      if (t->defined()) bytes += static_cast<int64_t>(t->nbytes());
    }
  }
  return bytes;
}

std::string SliceStore::key_of(int64_t id) const {
  const Slice& s = table_[id];
  return fmt::format("{}[{}:{}:{}]", model_.file_name(s.tensor), s.dim, s.start, s.start + s.length);
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
    if (states == nullptr || !is_own(id)) continue;
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
    state.updates = states->tensor(entry.name + ".updates").item<int64_t>();
  }
  current_ = current;
  for (const int64_t id : current_) {
    if (id < 0 || id >= static_cast<int64_t>(table_.size())) fail(values.path(), "slice {} does not exist.", id);
    enter(id);
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
