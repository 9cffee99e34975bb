#include "tuning/lora_store.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"
#include "tuning/elementwise.h"
#include "tuning/euclidean_norm.h"
#include "tuning/foreach.h"

namespace circuit {
namespace {

constexpr const char* kSpared = "[lora_A].spared";  // directions, in a checkpoint

at::Tensor mask_of(const std::vector<bool>& reach, at::IntArrayRef shape, const at::TensorOptions& options) {
  if (reach.empty() || std::all_of(reach.begin(), reach.end(), [](bool b) { return b; })) return {};
  std::vector<double> values(reach.begin(), reach.end());
  return at::tensor(values, at::kDouble).view(shape).to(options);
}

int64_t reached(const at::Tensor& mask, int64_t all) {
  return mask.defined() ? static_cast<int64_t>(mask.sum().item<double>()) : all;
}

}  // namespace

namespace {

// out = base + scale · change, and base's own bytes where there is no change.
template <class W, class C>
void add_change(const at::Tensor& out, const at::Tensor& base, const at::Tensor& change, double scale) {
  const auto factor = static_cast<C>(scale);
  const auto row = [=](W* __restrict o, const C* __restrict c, const W* __restrict w, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const C d = c[i] * factor;
      o[i] = d == 0 ? w[i] : static_cast<W>(static_cast<C>(w[i]) + d);
    }
  };
  for_rows<W, C>(row, out, change, base);
}

// merged(), written to `out`, in one pass over the weights: they are many times what the adapter is.
void merge_into(const at::Tensor& out, const at::Tensor& base, const at::Tensor& a, const at::Tensor& b, double scale,
                bool transposed) {
  const at::Tensor change = transposed ? at::mm(b, a) : at::mm(a.t(), b.t());
  const bool walks = walks_by_rows(out) && walks_by_rows(base) && walks_by_rows(change) && out.dim() == 2;
  const auto types = std::make_pair(base.scalar_type(), change.scalar_type());
  if (walks && types == std::make_pair(at::kFloat, at::kFloat)) {
    add_change<float, float>(out, base, change, scale);
  } else if (walks && types == std::make_pair(at::kBFloat16, at::kFloat)) {
    add_change<at::BFloat16, float>(out, base, change, scale);
  } else if (walks && types == std::make_pair(at::kDouble, at::kDouble)) {
    add_change<double, double>(out, base, change, scale);
  } else {
    const at::Tensor scaled = change * scale;
    out.copy_(at::where(scaled == 0, base, (base.to(scaled.scalar_type()) + scaled).to(base.scalar_type())));
  }
}

}  // namespace

at::Tensor merged(const at::Tensor& base, const at::Tensor& a, const at::Tensor& b, double scale, bool transposed) {
  at::Tensor out = at::empty_like(base);
  merge_into(out, base, a, b, scale, transposed);
  return out;
}

LoraStore::LoraStore(Model& model, const LoraSpec& spec, const AdapterReaches* reaches) : model_(model), spec_(spec) {
  if (spec.rank < 1) throw UsageError(fmt::format("[lora.rank] found {}, expected at least 1.", spec.rank));
  const auto type = model.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  const auto options = model.embedding().options().dtype(type);
  for (const LinearLayer& layer : linear_layers(model, spec.targets)) {
    Adapter adapter;
    if (reaches != nullptr) {
      const auto reach = reaches->find(layer.tensor);
      if (reach == reaches->end()) continue;
      adapter.a_mask = mask_of(reach->second.inputs, {1, layer.inputs}, options);
      adapter.b_mask = mask_of(reach->second.outputs, {layer.outputs, 1}, options);
    }
    adapter.layer = layer;
    adapter.base = model.parameter(layer.tensor).clone();
    // PEFT's kaiming_uniform with a = √5 is uniform in ±1/√in.
    const double bound = 1 / std::sqrt(static_cast<double>(layer.inputs));
    Rng rng = Rng(spec.seed).split("lora " + layer.tensor);
    const int64_t rank = spec.rank_of(layer.tensor);
    at::Tensor a = at::empty({rank, layer.inputs}, at::kDouble);
    for (int64_t i = 0; i < a.numel(); ++i) a.data_ptr<double>()[i] = bound * (2 * rng.uniform() - 1);
    adapter.a = a.to(options);
    if (adapter.a_mask.defined()) adapter.a.mul_(adapter.a_mask);
    adapter.b = at::zeros({layer.outputs, rank}, options);
    by_tensor_[layer.tensor] = adapters_.size();
    const int64_t parameters = rank * (reached(adapter.a_mask, layer.inputs) + reached(adapter.b_mask, layer.outputs));
    table_.push_back({"lora", layer.tensor, 0, 0, model.parameter(layer.tensor).size(0), parameters});
    adapters_.push_back(std::move(adapter));
  }
  if (adapters_.empty()) fail("lora", "no linear layer is left to adapt.");
  all_.resize(table_.size());
  std::iota(all_.begin(), all_.end(), 0);
}

int64_t LoraStore::parameters_per_rank(const Model& model, const std::vector<std::string>& targets,
                                       const AdapterReaches* reaches) {
  const auto within = [](const std::vector<bool>& reach, int64_t all) {
    return reach.empty() ? all : static_cast<int64_t>(std::count(reach.begin(), reach.end(), true));
  };
  int64_t count = 0;
  for (const LinearLayer& layer : linear_layers(model, targets)) {
    if (reaches == nullptr) {
      count += layer.inputs + layer.outputs;
      continue;
    }
    const auto reach = reaches->find(layer.tensor);
    if (reach == reaches->end()) continue;
    count += within(reach->second.inputs, layer.inputs) + within(reach->second.outputs, layer.outputs);
  }
  return count;
}

int64_t LoraStore::current_parameters() const {
  int64_t count = 0;
  for (const Slice& entry : table_) count += entry.parameters;
  return count;
}

int64_t LoraStore::changed_parameters() const {
  int64_t count = 0;
  for (const Adapter& adapter : adapters_) {
    count += reached(adapter.a_mask, adapter.layer.inputs) * reached(adapter.b_mask, adapter.layer.outputs);
  }
  return count;
}

// With W = W₀ + s B A and y = x Wᵀ: ∂B = s · dyᵀ (x Aᵀ), ∂A = s · (dy B)ᵀ x.
class LoraStore::Sink : public WeightSink {
 public:
  explicit Sink(LoraStore& owner) : owner_(owner) {
    for (Adapter& adapter : owner.adapters_) adapter.a_gradient = adapter.b_gradient = at::Tensor();
  }
  bool wants(const std::string& tensor) const override { return owner_.by_tensor_.count(tensor) > 0; }
  void linear(const TensorRef& ref, Units, int64_t, const at::Tensor& input, const at::Tensor& d_out) override {
    Adapter& adapter = owner_.adapters_[owner_.by_tensor_.at(ref.tensor)];
    const at::Tensor a = adapter.a.to(input.scalar_type());
    const at::Tensor b = adapter.b.to(input.scalar_type());
    give(&adapter.b_gradient, at::mm(d_out.t(), at::mm(input, a.t())), adapter.b_mask, adapter.b.scalar_type());
    give(&adapter.a_gradient, at::mm(at::mm(d_out, b).t(), input), adapter.a_mask, adapter.a.scalar_type());
  }
  void vector(const std::string&, int64_t, const at::Tensor&) override {}
  void lookup(const std::string&, const at::Tensor&, const at::Tensor&) override {}
  void whole(const std::string&, const at::Tensor&) override {}
  void block(const std::string&, int64_t, int64_t, const at::Tensor&) override {}

 private:
  void give(at::Tensor* sum, const at::Tensor& product, const at::Tensor& mask, at::ScalarType type) const {
    at::Tensor gradient = product.to(type) * owner_.scale();
    if (mask.defined()) gradient.mul_(mask);
    *sum = sum->defined() ? sum->add_(gradient) : gradient;
  }
  LoraStore& owner_;
};

WeightSink& LoraStore::begin_batch() {
  sink_ = std::make_shared<Sink>(*this);
  return *sink_;
}

std::vector<at::Tensor> LoraStore::take_gradients() {
  sink_.reset();
  std::vector<at::Tensor> gradients;
  for (Adapter& adapter : adapters_) {
    for (at::Tensor* gradient : {&adapter.a_gradient, &adapter.b_gradient}) {
      gradients.push_back(std::move(*gradient));
      *gradient = at::Tensor();
    }
  }
  return gradients;
}

UpdateNorms LoraStore::update(const OptimizerSpec& spec, double lr, double clip, Detail detail,
                              std::vector<at::Tensor> gradients) {
  UpdateNorms norms;
  const std::vector<double> lengths = euclidean_norms(gradients, 0);
  double squares = 0;
  for (const double length : lengths) squares += length * length;
  norms.gradient = std::sqrt(squares);
  UpdateStep step;
  step.lr = lr;
  step.weight_decay = spec.weight_decay;
  step.scale = clip_factor(norms.gradient, clip);
  const Optimizer& optimizer = find_optimizer(spec.kind);
  std::vector<SliceUpdate> updates;
  std::vector<size_t> updated;
  for (size_t i = 0; i < adapters_.size(); ++i) {
    Adapter& adapter = adapters_[i];
    if (!gradients[2 * i].defined()) continue;
    const Protection* protection = adapter.protection ? &*adapter.protection : nullptr;
    updates.push_back({step, adapter.a, std::move(gradients[2 * i]), &adapter.a_state, protection});
    updates.push_back({step, adapter.b, std::move(gradients[2 * i + 1]), &adapter.b_state});
    updated.push_back(i);
  }
  if (!model_.device().is_cpu() && optimizer.changes != nullptr && !updates.empty()) {
    update_together(optimizer, spec, updates);
  } else {
    for (const SliceUpdate& u : updates) update_one(optimizer, spec, u);
  }
  std::vector<at::Tensor> moved;  // ‖Δw‖ of each, where it is
  for (const size_t i : updated) {
    const Adapter& adapter = adapters_[i];
    at::Tensor before;
    if (detail == Detail::kPerSlice) before = model_.parameter(adapter.layer.tensor).clone();
    merge(adapter);
    if (detail == Detail::kGlobal) continue;
    norms.slices.push_back(static_cast<int64_t>(i));
    norms.slice_gradients.push_back(step.scale * std::hypot(lengths[2 * i], lengths[2 * i + 1]));
    moved.push_back(at::linalg_vector_norm(before.sub_(model_.parameter(adapter.layer.tensor))));
  }
  if (moved.empty()) return norms;
  const at::Tensor all = at::stack(moved).to(at::kDouble).to(at::kCPU);
  norms.slice_updates.assign(all.data_ptr<double>(), all.data_ptr<double>() + all.numel());
  return norms;
}

void LoraStore::take_curvature(const std::vector<at::Tensor>& squares) {
  for (size_t i = 0; i < adapters_.size(); ++i) {
    Adapter& adapter = adapters_[i];
    if (squares[2 * i].defined()) adapter.a_state.general = squares[2 * i].to(adapter.a.scalar_type());
    if (squares[2 * i + 1].defined()) adapter.b_state.general = squares[2 * i + 1].to(adapter.b.scalar_type());
  }
  curved_ = true;
}

void LoraStore::protect(const std::vector<InputMoment>& inputs, double share) {
  for (size_t i = 0; i < adapters_.size(); ++i) {
    Adapter& adapter = adapters_[i];
    InputMoment moment = inputs[i];
    // Of the inputs that the adapter reaches.
    if (adapter.a_mask.defined() && moment.sum.defined()) moment.sum = moment.sum * adapter.a_mask * adapter.a_mask.t();
    adapter.protection = protection_of(moment, share);
    adapter.protection->input_dim = 1;
    take_away(*adapter.protection, adapter.a);
  }
  protected_ = true;
}

void LoraStore::merge(const Adapter& adapter) {
  merge_into(model_.writable(adapter.layer.tensor), adapter.base, adapter.a, adapter.b, scale(),
             adapter.layer.transposed);
}

int64_t LoraStore::state_bytes() const {
  int64_t bytes = 0;
  for (const Adapter& x : adapters_) {
    for (const at::Tensor* t : {&x.base, &x.a, &x.b, &x.a_state.first, &x.a_state.second, &x.b_state.first,
                                &x.b_state.second, &x.a_state.general, &x.b_state.general}) {
      if (t->defined()) bytes += static_cast<int64_t>(t->nbytes());
    }
  }
  return bytes;
}

NamedTensors LoraStore::value_tensors() const {
  NamedTensors tensors;
  for (const Adapter& adapter : adapters_) {
    const std::string name = model_.file_name(adapter.layer.tensor);
    tensors.emplace_back(name + "[lora_A]", adapter.a);
    tensors.emplace_back(name + "[lora_B]", adapter.b);
  }
  return tensors;
}

NamedTensors LoraStore::state_tensors() const {
  NamedTensors tensors;
  const auto add = [&](const std::string& name, const SliceState& state) {
    tensors.emplace_back(name + ".updates", at::scalar_tensor(state.updates, at::kLong));
    if (state.first.defined()) tensors.emplace_back(name + ".first", state.first);
    if (state.second.defined()) tensors.emplace_back(name + ".second", state.second);
    if (state.general.defined()) tensors.emplace_back(name + ".general", state.general);
  };
  for (const Adapter& adapter : adapters_) {
    const std::string name = model_.file_name(adapter.layer.tensor);
    if (adapter.protection) tensors.emplace_back(name + kSpared, adapter.protection->directions);
    add(name + "[lora_A]", adapter.a_state);
    add(name + "[lora_B]", adapter.b_state);
  }
  return tensors;
}

void LoraStore::restore(const TensorFile& values, const TensorFile* states, const std::vector<int64_t>&) {
  const auto load = [&](const TensorFile& file, const std::string& name, const at::Tensor& like) {
    if (!file.contains(name)) fail(file.path(), "'{}' is missing.", name);
    const at::Tensor t = file.tensor(name);
    if (t.sizes() != like.sizes()) fail(file.path(), "'{}' has another shape than the adapter's.", name);
    return t.clone().to(like.device(), like.scalar_type());
  };
  const auto load_state = [&](const std::string& name, const at::Tensor& like, SliceState* state) {
    if (states->contains(name + ".first")) state->first = load(*states, name + ".first", like);
    if (states->contains(name + ".second")) state->second = load(*states, name + ".second", like);
    if (!states->contains(name + ".updates")) fail(states->path(), "'{}.updates' is missing.", name);
    state->updates = states->tensor(name + ".updates").item<int64_t>();
    if (!states->contains(name + ".general")) return;
    state->general = load(*states, name + ".general", like);
    curved_ = true;
  };
  for (Adapter& adapter : adapters_) {
    const std::string name = model_.file_name(adapter.layer.tensor);
    adapter.a = load(values, name + "[lora_A]", adapter.a);
    adapter.b = load(values, name + "[lora_B]", adapter.b);
    if (states != nullptr && states->contains(name + kSpared)) {
      adapter.protection = {states->tensor(name + kSpared).clone().to(adapter.a.device()), 1};
      protected_ = true;
    }
    if (states != nullptr) load_state(name + "[lora_A]", adapter.a, &adapter.a_state);
    if (states != nullptr) load_state(name + "[lora_B]", adapter.b, &adapter.b_state);
    merge(adapter);
  }
}

std::map<std::string, at::Tensor> LoraStore::changed_tensors(const Checkpoint& base) const {
  std::map<std::string, at::Tensor> changed;
  // A mapping of its own: where the model's parameters are views of `base`, the change is in them already.
  const Checkpoint pristine = Checkpoint::open(base.directory());
  for (const Adapter& adapter : adapters_) {
    const std::string name = model_.file_name(adapter.layer.tensor);
    changed[name] = merged(pristine.tensor(name).clone(), adapter.a, adapter.b, scale(), adapter.layer.transposed);
  }
  return changed;
}

std::vector<std::pair<std::string, at::Tensor>> LoraStore::changed_views() {
  std::vector<std::pair<std::string, at::Tensor>> views;
  for (const Adapter& adapter : adapters_) {
    views.emplace_back(model_.file_name(adapter.layer.tensor), model_.writable(adapter.layer.tensor));
  }
  return views;
}

}  // namespace circuit
