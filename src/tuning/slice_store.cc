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
    update_one(optimizer, spec, u);
    u.gradient = at::Tensor();
    if (detail == Detail::kPerSlice) changes.push_back(euclidean_norm(before.sub_(u.weight)));
  }
  return changes;
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
    if (const auto found = protected_.find(id); found != protected_.end()) u.protection = &found->second;
    updates.push_back(std::move(u));
    updated.push_back(i);
  }
  const bool together = !model_.device().is_cpu() && optimizer.changes != nullptr && !updates.empty();
  std::vector<double> lengths_of_changes;
  if (together) {
    const std::vector<at::Tensor> all = update_together(optimizer, spec, updates);
    if (detail == Detail::kPerSlice) lengths_of_changes = euclidean_norms(all, 0);
  } else {
    lengths_of_changes = update_in_turn(optimizer, spec, detail, &updates);
  }
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

bool SliceStore::lacks_curvature() const {
  return std::any_of(current_.begin(), current_.end(), [&](int64_t id) { return curved_.count(id) == 0; });
}

void SliceStore::take_curvature(const std::vector<at::Tensor>& squares) {
  for (size_t i = 0; i < current_.size(); ++i) {
    if (!curved_.insert(current_[i]).second || !is_own(current_[i]) || !squares[i].defined()) continue;
    SliceState& state = states_[current_[i]];
    const at::Tensor& weight = state.master.defined() ? state.master : view_of(current_[i]);
    state.general = squares[i].to(weight.scalar_type()).contiguous();
  }
}

const Protection* SliceStore::protection_of_tensor(int64_t id) const {
  const Slice& slice = table_[id];
  for (const auto& [other, protection] : protected_) {
    if (table_[other].tensor == slice.tensor && protection.input_dim != slice.dim) return &protection;
  }
  return nullptr;
}

bool SliceStore::lacks_protection() const {
  return std::any_of(current_.begin(), current_.end(), [&](int64_t id) { return protected_.count(id) == 0; });
}

void SliceStore::protect(const std::vector<InputMoment>& inputs, double share) {
  std::map<const void*, at::Tensor> made;  // by the sum they are of
  for (size_t i = 0; i < current_.size(); ++i) {
    if (protected_.count(current_[i]) > 0) continue;
    Protection protection;
    const void* sum = inputs[i].sum.defined() ? inputs[i].sum.unsafeGetTensorImpl() : nullptr;
    const bool divided = inputs[i].input_dim == table_[current_[i]].dim;
    if (const Protection* known = divided ? nullptr : protection_of_tensor(current_[i])) {
      protection = *known;
    } else if (sum != nullptr) {
      if (made.count(sum) == 0) made[sum] = protection_of(inputs[i], share).directions;
      protection = {made[sum], inputs[i].input_dim};
    }
    protected_[current_[i]] = protection;
  }
}

void SliceStore::collect() {
  if (owner_of_.empty()) return;
  std::vector<at::Tensor> own;
  for (const auto& [id, state] : states_) {
    if (!is_own(id)) continue;
    for (const at::Tensor& t : {state.master, state.first, state.second, state.general}) own.push_back(t);
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
    collected_[id] = {from[at], from[at + 1], from[at + 2], from[at + 3], from[at + 4].item<int64_t>()};
    at += 5;
  }
}

void SliceStore::drop_collected() { collected_.clear(); }

int64_t SliceStore::state_bytes() const {
  int64_t bytes = 0;
  for (const auto& [id, s] : states_) {
    for (const at::Tensor* t : {&s.master, &s.first, &s.second, &s.general}) {
      if (t->defined()) bytes += static_cast<int64_t>(t->nbytes());
    }
  }
  return bytes;
}

}  // namespace circuit
