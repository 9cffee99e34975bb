#include "dynamics/weight_diff.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "core/error.h"
#include "graph/slices.h"
#include "model/finite.h"

namespace circuit {
namespace {

bool identical(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() &&
         (a.nbytes() == 0 || std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0);
}

// Elements as integers of their width, so that equal means equal bytes.
at::Tensor bits(const at::Tensor& t) {
  switch (t.element_size()) {
    case 2:
      return t.view(at::kShort);
    case 4:
      return t.view(at::kInt);
    case 8:
      return t.view(at::kLong);
    default:
      return t;
  }
}

int64_t count_changed(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type()) return a.to(at::kDouble).ne(b.to(at::kDouble)).sum().item<int64_t>();
  return bits(a).ne(bits(b)).sum().item<int64_t>();
}

double norm(const at::Tensor& t) {
  return at::linalg_vector_norm(t, 2, c10::nullopt, false, at::kDouble).item<double>();
}

void add_change(const at::Tensor& a, const at::Tensor& b, NodeChange* change) {
  const at::Tensor before = a.to(at::kFloat);
  change->elements += a.numel();
  change->changed += count_changed(a, b);
  change->norm = std::hypot(change->norm, norm(before));
  change->change_norm = std::hypot(change->change_norm, norm(b.to(at::kFloat) - before));
}

}  // namespace

WeightDiff diff_weights(const Checkpoint& a, const Model& model, const Checkpoint& b) {
  const SliceTable table(Graph(model.architecture(), KeyValueNodes::kGrouped), model);
  std::map<std::string, std::vector<const Slice*>> slices;  // by file name
  for (const Slice& s : table.slices()) slices[model.file_name(s.tensor)].push_back(&s);
  std::map<std::string, NodeChange> nodes;
  WeightDiff diff;
  for (const TensorFile& shard : a.shards()) {
    for (const TensorEntry& entry : shard.header().tensors) {
      if (!b.contains(entry.name)) {
        diff.only_a.push_back(entry.name);
        continue;
      }
      const at::Tensor before = a.tensor(entry.name);
      const at::Tensor after = b.tensor(entry.name);
      if (before.sizes() != after.sizes()) {
        fail(b.directory(), "tensor '{}' has another shape than in {}: these are two models, not two states of one.",
             entry.name, a.directory());
      }
      require_finite(before, entry.name, a.directory());
      require_finite(after, entry.name, b.directory());
      ++diff.tensors;
      diff.elements += before.numel();
      const auto owners = slices.find(entry.name);
      if (identical(before, after)) {
        ++diff.identical_tensors;
        // Its norm counts all the same: a node's change is relative to all that is the node's.
        if (owners == slices.end()) continue;
        for (const Slice* s : owners->second) {
          NodeChange& change = nodes[s->node];
          const at::Tensor part = before.narrow(s->dim, s->start, s->length);
          change.elements += part.numel();
          change.norm = std::hypot(change.norm, norm(part.to(at::kFloat)));
        }
        continue;
      }
      diff.changed_tensors.push_back(entry.name);
      diff.changed_elements += count_changed(before, after);
      if (owners == slices.end()) {
        add_change(before, after, &nodes[entry.name]);
        continue;
      }
      for (const Slice* s : owners->second) {
        add_change(before.narrow(s->dim, s->start, s->length), after.narrow(s->dim, s->start, s->length),
                   &nodes[s->node]);
      }
    }
  }
  for (const TensorFile& shard : b.shards()) {
    for (const TensorEntry& entry : shard.header().tensors) {
      if (!a.contains(entry.name)) diff.only_b.push_back(entry.name);
    }
  }
  for (auto& [name, change] : nodes) {
    if (change.changed == 0) continue;
    change.node = name;
    diff.nodes.push_back(change);
  }
  std::stable_sort(diff.nodes.begin(), diff.nodes.end(),
                   [](const NodeChange& x, const NodeChange& y) { return x.relative() > y.relative(); });
  return diff;
}

}  // namespace circuit
