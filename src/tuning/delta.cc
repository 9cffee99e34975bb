#include "tuning/delta.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/setting_name.h"

namespace circuit {
namespace {

// A delta's slice, and which delta's it is.
struct Placed {
  size_t delta;
  const DeltaSlice* slice;
};
// By tensor, in the order of the deltas.
using ByTensor = std::map<std::string, std::vector<Placed>>;

ByTensor by_tensor(const std::vector<Delta>& deltas) {
  ByTensor placed;
  for (size_t i = 0; i < deltas.size(); ++i) {
    for (const DeltaSlice& s : deltas[i].slices) placed[s.region.tensor].push_back({i, &s});
  }
  return placed;
}

// Where two slices of a tensor meet: a range along their common dimension, or the crossing of two.
using Meeting = std::vector<Region>;

Meeting meeting(const Region& a, const Region& b) {
  if (a.dim != b.dim) return {a, b};
  Region common = a;
  common.start = std::max(a.start, b.start);
  common.end = std::min(a.end, b.end);
  return common.start < common.end ? Meeting{common} : Meeting{};
}

// That part of a tensor of slice `s`'s shape.
at::Tensor part(at::Tensor values, const Region& s, const Meeting& where) {
  for (const Region& r : where) {
    values = values.narrow(r.dim, r.dim == s.dim ? r.start - s.start : r.start, r.end - r.start);
  }
  return values;
}

at::Tensor exact(const DeltaSlice& s) { return (s.master.defined() ? s.master : s.value).to(at::kDouble); }

double norm(const at::Tensor& t) { return at::linalg_vector_norm(t).item<double>(); }

std::optional<Overlap> overlap(const Placed& a, const Placed& b) {
  if (a.delta == b.delta) return std::nullopt;
  const Meeting where = meeting(a.slice->region, b.slice->region);
  if (where.empty()) return std::nullopt;
  const at::Tensor x = part(exact(*a.slice), a.slice->region, where);
  const at::Tensor y = part(exact(*b.slice), b.slice->region, where);
  const at::Tensor w = part(a.slice->base, a.slice->region, where).to(at::kDouble);
  Overlap found;
  found.region = where[0].tensor;
  for (const Region& r : where) found.region += fmt::format("[{}:{}:{}]", r.dim, r.start, r.end);
  found.first = a.delta;
  found.second = b.delta;
  found.elements = x.numel();
  const double larger = std::max(norm(x - w), norm(y - w));
  found.disagreement = larger > 0 ? norm(x - y) / larger : 0;
  return found;
}

// base + Σ change (÷ their number for the mean), element by element over the deltas that cover it, in their
// order.
at::Tensor combined(const Placed& own, const std::vector<Placed>& all, OnOverlap rule) {
  const DeltaSlice& s = *own.slice;
  at::Tensor change = at::zeros_like(s.base, at::TensorOptions(at::kDouble));
  at::Tensor count = at::zeros_like(change);
  for (const Placed& other : all) {
    const Meeting where = meeting(s.region, other.slice->region);
    if (where.empty()) continue;
    const at::Tensor difference = exact(*other.slice) - other.slice->base.to(at::kDouble);
    part(change, s.region, where).add_(part(difference, other.slice->region, where));
    part(count, s.region, where).add_(1);
  }
  if (rule == OnOverlap::kMean) change.div_(count);
  const at::Tensor sum = (s.base.to(at::kDouble) + change).to(s.value.scalar_type());
  return at::where(count == 1, s.value, sum);
}

// What slice `own` holds in the end.
at::Tensor final_value(const Placed& own, const std::vector<Placed>& all, OnOverlap rule) {
  const DeltaSlice& s = *own.slice;
  std::vector<Placed> meets;
  for (const Placed& other : all) {
    if (other.delta != own.delta && !meeting(s.region, other.slice->region).empty()) meets.push_back(other);
  }
  if (meets.empty()) return s.value;
  if (rule == OnOverlap::kMean || rule == OnOverlap::kSum) return combined(own, all, rule);
  at::Tensor value = s.value.clone();
  if (rule == OnOverlap::kFirst) std::reverse(meets.begin(), meets.end());
  for (const Placed& other : meets) {
    const bool wins = rule == OnOverlap::kFirst ? other.delta < own.delta : other.delta > own.delta;
    if (!wins) continue;
    const Meeting where = meeting(s.region, other.slice->region);
    part(value, s.region, where).copy_(part(other.slice->value, other.slice->region, where));
  }
  return value;
}

at::Tensor with_slices(const at::Tensor& base, const std::vector<Placed>& placed, OnOverlap rule) {
  at::Tensor whole = base.clone();
  for (const Placed& p : placed) p.slice->region.of(whole).copy_(final_value(p, placed, rule));
  return whole;
}

// Shape and dtype: before any slice of it is looked at.
void check_fits(const at::Tensor& tensor, const Placed& p, const std::vector<Delta>& deltas, const std::string& model) {
  const Region& r = p.slice->region;
  const bool fits = tensor.scalar_type() == p.slice->value.scalar_type() && r.dim < tensor.dim() &&
                    r.end <= tensor.size(r.dim) && r.of(tensor).sizes() == p.slice->value.sizes();
  if (!fits) fail(deltas[p.delta].name, "'{}' has another shape or dtype than the tensor of {}.", r.name(), model);
}

void check_model(const Checkpoint& model, const ByTensor& placed, const std::vector<Delta>& deltas) {
  for (const auto& [name, slices] : placed) {
    if (!model.contains(name)) {
      fail(deltas[slices[0].delta].name, "tensor '{}' is not in {}. Give the model it was made for.", name,
           model.directory());
    }
    for (const Placed& p : slices) check_fits(model.tensor(name), p, deltas, model.directory());
  }
}

// A whole tensor against what the deltas say of the base.
void check_base(const at::Tensor& tensor, const std::string& name, const std::vector<Placed>& placed,
                const std::vector<Delta>& deltas, const std::string& expected_of) {
  const std::string hash = sha256_of(tensor);
  for (const Placed& p : placed) {
    const Delta& delta = deltas[p.delta];
    if (delta.base_sha256.at(name) != hash) fail(delta.name, "tensor '{}' {}", name, expected_of);
    if (same_bytes(p.slice->region.of(tensor), p.slice->base)) continue;
    fail(delta.name, "the base values of '{}' are not the base's: the file is damaged.", p.slice->region.name());
  }
}

void refuse_overlaps(const Checkpoint& model, const std::vector<Delta>& deltas, OnOverlap rule) {
  if (rule != OnOverlap::kRefuse || deltas.size() < 2) return;
  const std::vector<Overlap> found = find_overlaps(model, deltas);
  if (found.empty()) return;
  const Overlap& most = found[0];
  fail(setting("on_overlap"),
       "{} slices are in more than one delta, most at odds {} ({:.2f}) of {} and {}. Say what stands there: "
       "{} last, first, mean or sum.",
       found.size(), most.region, most.disagreement, deltas[most.first].name, deltas[most.second].name,
       setting("on_overlap"));
}

}  // namespace

const std::vector<OverlapRule>& overlap_rules() {
  static const std::vector<OverlapRule> kRules{
      {"last", OnOverlap::kLast}, {"first", OnOverlap::kFirst}, {"mean", OnOverlap::kMean}, {"sum", OnOverlap::kSum}};
  return kRules;
}

at::Tensor scaled_change(const at::Tensor& base, const at::Tensor& tuned, double scale) {
  const at::Tensor from = base.to(at::kDouble);
  const at::Tensor change = tuned.to(at::kDouble) - from;
  return at::where(change == 0, base, (from + change * scale).to(base.scalar_type()));
}

Delta scaled(Delta delta, double scale) {
  for (DeltaSlice& s : delta.slices) {
    const at::Tensor from = exact(s);
    s.value = scaled_change(s.base, from, scale);
    if (s.master.defined()) s.master = scaled_change(s.base.to(at::kFloat), from, scale);
  }
  delta.result_sha256.clear();
  return delta;
}

std::vector<Overlap> find_overlaps(const Checkpoint& model, const std::vector<Delta>& deltas) {
  const ByTensor all = by_tensor(deltas);
  check_model(model, all, deltas);
  std::vector<Overlap> overlaps;
  for (const auto& [name, placed] : all) {
    for (size_t i = 0; i < placed.size(); ++i) {
      for (size_t j = i + 1; j < placed.size(); ++j) {
        if (auto found = overlap(placed[i], placed[j])) overlaps.push_back(std::move(*found));
      }
    }
  }
  std::stable_sort(overlaps.begin(), overlaps.end(),
                   [](const Overlap& a, const Overlap& b) { return a.disagreement > b.disagreement; });
  return overlaps;
}

std::map<std::string, at::Tensor> apply_deltas(const Checkpoint& base, const std::vector<Delta>& deltas,
                                               OnOverlap rule) {
  const ByTensor all = by_tensor(deltas);
  check_model(base, all, deltas);
  std::map<std::string, at::Tensor> changed;
  for (const auto& [name, placed] : all) {
    check_base(base.tensor(name), name, placed, deltas,
               "is not that of " + base.directory() + ". Give the model it was made for.");
  }
  refuse_overlaps(base, deltas, rule);
  for (const auto& [name, placed] : all) {
    at::Tensor whole = with_slices(base.tensor(name), placed, rule);
    const bool alone = placed.front().delta == placed.back().delta;
    const Delta& delta = deltas[placed.front().delta];
    const auto result = delta.result_sha256.find(name);  // none of one that was scaled
    if (alone && result != delta.result_sha256.end() && sha256_of(whole) != result->second) {
      fail(delta.name, "tensor '{}' does not become what the run made of it: the file is damaged.", name);
    }
    changed[name] = std::move(whole);
  }
  return changed;
}

std::map<std::string, at::Tensor> revert_deltas(const Checkpoint& model, const std::vector<Delta>& deltas,
                                                OnOverlap rule) {
  const ByTensor all = by_tensor(deltas);
  check_model(model, all, deltas);
  std::map<std::string, at::Tensor> reverted;
  const std::string differs =
      "of " + model.directory() +
      " is not what this delta made. Give the model that circuit apply wrote, and all its deltas.";
  for (const auto& [name, placed] : all) {
    const at::Tensor found = model.tensor(name);
    at::Tensor base = found.clone();
    for (const Placed& p : placed) p.slice->region.of(base).copy_(p.slice->base);
    check_base(base, name, placed, deltas, differs);
    reverted[name] = std::move(base);
  }
  refuse_overlaps(model, deltas, rule);
  for (const auto& [name, placed] : all) {
    if (same_bytes(with_slices(reverted[name], placed, rule), model.tensor(name))) continue;
    fail(deltas[placed[0].delta].name, "tensor '{}' {}", name, differs);
  }
  return reverted;
}

}  // namespace circuit
