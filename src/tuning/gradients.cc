#include "tuning/gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "model/wide.h"
#include "tuning/euclidean_norm.h"

namespace circuit {
namespace {

// The dimension along which a tensor is split into units, from the layout; 0 for what has none.
std::map<std::string, int64_t> unit_dimensions(const Layout& layout) {
  std::map<std::string, int64_t> dims;
  for (const LayerLayout& l : layout.layers) {
    for (const TensorRef* ref : {&l.w_q, &l.w_k, &l.w_v, &l.q_down, &l.kv_down, &l.b_q, &l.b_k, &l.b_v, &l.w_o, &l.w_in,
                                 &l.b_in, &l.w_gate, &l.b_gate, &l.w_out}) {
      if (ref->present()) dims[ref->tensor] = ref->unit_dim;
    }
  }
  return dims;
}

// aᵀ b, on a device with the unit's dimension outermost: parts of it are then dense, and kernels take many at once.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, int64_t unit_dim) {
  if (a.is_cpu() || unit_dim == 0) return at::mm(a.t(), b);
  return at::mm(b.t(), a).t();
}

template <class Parts>
at::Tensor columns(const at::Tensor& rows, const Parts& parts, int64_t offset) {
  std::vector<at::Tensor> chosen;
  int64_t total = 0;
  for (const auto& p : parts) {
    chosen.push_back(rows.narrow(1, p.start - offset, p.length));
    total += p.length;
  }
  if (total == rows.size(1)) return rows;
  return chosen.size() == 1 ? chosen[0] : at::cat(chosen, 1);
}

}  // namespace

SliceGradients::SliceGradients(const Model& model, const std::vector<Slice>& slices)
    : model_(model), gradients_(slices.size()) {
  const std::map<std::string, int64_t> dims = unit_dimensions(model.layout());
  for (size_t i = 0; i < slices.size(); ++i) {
    const Slice& s = slices[i];
    const auto found = dims.find(s.tensor);
    const int64_t dim = found == dims.end() ? s.dim : found->second;
    // A whole tensor is whole along every dimension.
    const bool whole = s.length == model.parameter(s.tensor).size(s.dim);
    const int64_t size = model.parameter(s.tensor).size(dim);
    parts_[s.tensor].push_back({i, whole ? 0 : s.start, whole ? size : s.length, whole});
  }
  // Ascending, so that parts which cover a tensor need no gathering.
  for (auto& [tensor, parts] : parts_) {
    std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.start < b.start; });
  }
}

const std::vector<SliceGradients::Part>* SliceGradients::parts_of(const std::string& tensor) const {
  const auto found = parts_.find(tensor);
  return found == parts_.end() ? nullptr : &found->second;
}

void SliceGradients::give(size_t slice, const at::Tensor& gradient) {
  at::Tensor& sum = gradients_[slice];
  if (!sum.defined()) {
    sum = gradient;
    return;
  }
  // In float32 from the second on: a BF16 sum would lose what is 256 times smaller than itself.
  sum = wide(sum);
  sum.add_(gradient);
}

void SliceGradients::linear(const TensorRef& ref, Units units, int64_t first, const at::Tensor& input,
                            const at::Tensor& d_out) {
  const std::vector<Part>& parts = *parts_of(ref.tensor);
  // inputᵀ d_out, of the chosen columns of one side; as the file has it: [out, in] where transposed.
  const at::Tensor in = units == Units::kInputs ? columns(input, parts, first) : input;
  const at::Tensor out = units == Units::kOutputs ? columns(d_out, parts, first) : d_out;
  const at::Tensor all = ref.transposed ? product(out, in, ref.unit_dim) : product(in, out, ref.unit_dim);
  int64_t offset = 0;
  for (const Part& p : parts) {
    give(p.slice, all.narrow(ref.unit_dim, offset, p.length));
    offset += p.length;
  }
}

void SliceGradients::vector(const std::string& tensor, int64_t first, const at::Tensor& rows) {
  const at::Tensor sums = rows.flatten(0, -2).sum(0);
  for (const Part& p : *parts_of(tensor)) give(p.slice, sums.narrow(0, p.start - first, p.length));
}

void SliceGradients::lookup(const std::string& tensor, const at::Tensor& index, const at::Tensor& d) {
  at::Tensor& gradient = gradients_[parts_of(tensor)->front().slice];
  const at::Tensor& parameter = model_.parameter(tensor);
  gradient = gradient.defined() ? wide(gradient)
                                : at::zeros_like(parameter, parameter.options().dtype(wide(parameter.scalar_type())));
  gradient.index_add_(0, index, wide(d));
}

void SliceGradients::whole(const std::string& tensor, const at::Tensor& gradient) {
  give(parts_of(tensor)->front().slice, gradient);
}

void SliceGradients::block(const std::string& tensor, int64_t dim, int64_t first, const at::Tensor& gradient) {
  const at::Tensor& parameter = model_.parameter(tensor);
  for (const Part& p : *parts_of(tensor)) {
    const int64_t start = p.whole ? 0 : p.start;
    const int64_t length = p.whole ? parameter.size(dim) : p.length;
    const int64_t begin = std::max(start, first);
    const int64_t end = std::min(start + length, first + gradient.size(dim));
    if (begin >= end) continue;
    const at::Tensor common = gradient.narrow(dim, begin - first, end - begin);
    if (end - begin == length) {
      give(p.slice, common);
      continue;
    }
    // A part of the slice, such as one expert of a tensor that holds all.
    std::vector<int64_t> sizes = parameter.sizes().vec();
    sizes[dim] = length;
    at::Tensor& sum = gradients_[p.slice];
    sum = sum.defined() ? wide(sum) : at::zeros(sizes, gradient.options().dtype(wide(gradient.scalar_type())));
    sum.narrow(dim, begin - start, end - begin).add_(common);
  }
}

std::vector<double> SliceGradients::norms() const {
  std::vector<double> norms;
  for (const at::Tensor& g : gradients_) {
    norms.push_back(g.defined() ? euclidean_norm(g) : 0);
  }
  return norms;
}

}  // namespace circuit
