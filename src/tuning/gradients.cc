#include "tuning/gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "model/rows.h"

namespace circuit {
namespace {

// The dimension along which a tensor is split into units, from the layout; 0 for what has none.
std::map<std::string, int64_t> unit_dimensions(const Layout& layout) {
  std::map<std::string, int64_t> dims;
  for (const LayerLayout& l : layout.layers) {
    for (const TensorRef* ref : {&l.w_q, &l.w_k, &l.w_v, &l.b_q, &l.b_k, &l.b_v, &l.w_o, &l.w_in, &l.b_in, &l.w_gate,
                                 &l.b_gate, &l.w_out}) {
      if (ref->present()) dims[ref->tensor] = ref->unit_dim;
    }
  }
  return dims;
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

class SliceGradients::Visitor : public BackwardVisitor {
 public:
  Visitor(SliceGradients& owner, const TokenBatch& batch, const ForwardCache& run)
      : owner_(owner), batch_(batch), run_(run) {}

  void on_mlp(const MlpBackward& g) override {
    const Model& model = owner_.model_;
    const LayerLayout& at = model.layout().layers[g.layer];
    const LayerWeights& w = model.layers()[g.layer];
    if (owner_.parts_of(at.w_out.tensor) != nullptr) {
      owner_.inputs(at.w_out, mlp_hidden(model.architecture(), g.kept), g.d_out);
    }
    owner_.vector(at.b_out, g.d_out);
    if (g.out.defined()) {
      owner_.norm_weights(at.mlp_post_norm, "", g.out, g.out_stats, take_rows(g.d_stream, g.rows));
    }
    const bool reads = owner_.parts_of(at.w_in.tensor) != nullptr || owner_.parts_of(at.w_gate.tensor) != nullptr ||
                       owner_.parts_of(at.b_in.tensor) != nullptr || owner_.parts_of(at.b_gate.tensor) != nullptr;
    if (reads) {
      const at::Tensor y = norm_output(w.mlp_norm, g.x, g.stats);
      owner_.outputs(at.w_in, at.b_in, y, g.channels.d_in, at.w_in.first);
      if (g.channels.d_gate.defined()) owner_.outputs(at.w_gate, at.b_gate, y, g.channels.d_gate, at.w_gate.first);
    }
    owner_.norm_weights(at.mlp_norm, at.mlp_norm_bias, g.x, g.stats, g.d_y);
  }

  void on_attention(const AttentionBackward& g) override {
    const Model& model = owner_.model_;
    const LayerLayout& at = model.layout().layers[g.layer];
    const LayerWeights& w = model.layers()[g.layer];
    const LayerCache& kept = run_.layers[g.layer];
    owner_.inputs(at.w_o, kept.z, g.d_out);
    owner_.vector(at.b_o, g.d_out);
    if (g.out.defined()) {
      owner_.norm_weights(at.attn_post_norm, "", g.out, g.out_stats, take_rows(g.d_stream, g.rows));
    }
    const bool reads = owner_.parts_of(at.w_q.tensor) != nullptr || owner_.parts_of(at.w_k.tensor) != nullptr ||
                       owner_.parts_of(at.w_v.tensor) != nullptr || owner_.parts_of(at.b_q.tensor) != nullptr ||
                       owner_.parts_of(at.b_k.tensor) != nullptr || owner_.parts_of(at.b_v.tensor) != nullptr;
    if (reads) {
      const at::Tensor y = norm_output(w.attn_norm, kept.x_attn, kept.attn_stats);
      if (w.w_qkv.defined()) {
        owner_.outputs(at.w_q, at.b_q, y, g.d_qkv, at.w_q.first);
      } else {
        const int64_t q = at.w_q.units * at.w_q.unit;
        const int64_t kv = at.w_k.units * at.w_k.unit;
        owner_.outputs(at.w_q, at.b_q, y, g.d_qkv.narrow(1, 0, q), at.w_q.first);
        owner_.outputs(at.w_k, at.b_k, y, g.d_qkv.narrow(1, q, kv), at.w_k.first);
        owner_.outputs(at.w_v, at.b_v, y, g.d_qkv.narrow(1, q + kv, kv), at.w_v.first);
      }
    }
    owner_.norm_weights(at.attn_norm, at.attn_norm_bias, kept.x_attn, kept.attn_stats, g.d_y);
    owner_.norm_weights(at.q_norm, "", kept.qk_norm.q, kept.qk_norm.q_stats, g.d_q_normed);
    owner_.norm_weights(at.k_norm, "", kept.qk_norm.k, kept.qk_norm.k_stats, g.d_k_normed);
  }

  void on_embedding(const at::Tensor& d_stream) override {
    const Layout& layout = owner_.model_.layout();
    const Architecture& a = owner_.model_.architecture();
    scatter(layout.embedding, batch_.ids, a.embedding_scale == 1 ? d_stream : d_stream * a.embedding_scale);
    if (!layout.positions.empty()) scatter(layout.positions, batch_.positions + a.position_offset, d_stream);
  }

 private:
  void scatter(const std::string& tensor, const at::Tensor& rows, const at::Tensor& d_stream) {
    const auto* parts = owner_.parts_of(tensor);
    if (parts == nullptr) return;
    at::Tensor gradient = owner_.gradients_[parts->front().slice];
    if (!gradient.defined()) gradient = at::zeros_like(owner_.model_.parameter(tensor));
    gradient.index_add_(0, rows, d_stream);
    owner_.gradients_[parts->front().slice] = gradient;
  }

  SliceGradients& owner_;
  const TokenBatch& batch_;
  const ForwardCache& run_;
};

SliceGradients::SliceGradients(const Model& model, const std::vector<Slice>& slices)
    : model_(model), gradients_(slices.size()) {
  const std::map<std::string, int64_t> dims = unit_dimensions(model.layout());
  for (size_t i = 0; i < slices.size(); ++i) {
    const Slice& s = slices[i];
    const auto found = dims.find(s.tensor);
    const int64_t dim = found == dims.end() ? 0 : found->second;
    // A whole tensor is whole along every dimension.
    const bool whole = s.length == model.parameter(s.tensor).size(s.dim);
    const int64_t size = model.parameter(s.tensor).size(dim);
    parts_[s.tensor].push_back({i, whole ? 0 : s.start, whole ? size : s.length});
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

bool SliceGradients::wants_unembedding() const { return parts_of(model_.layout().unembedding) != nullptr; }

void SliceGradients::give(size_t slice, const at::Tensor& gradient) {
  at::Tensor& sum = gradients_[slice];
  if (sum.defined()) {
    sum.add_(gradient);
  } else {
    sum = gradient;
  }
}

void SliceGradients::outputs(const TensorRef& ref, const TensorRef& bias, const at::Tensor& y,
                             const at::Tensor& d_out, int64_t first_column) {
  if (const auto* parts = parts_of(ref.tensor)) {
    const at::Tensor chosen = columns(d_out, *parts, first_column);
    const at::Tensor all = ref.transposed ? at::mm(chosen.t(), y) : at::mm(y.t(), chosen);
    int64_t offset = 0;
    for (const Part& p : *parts) {
      give(p.slice, all.narrow(ref.unit_dim, offset, p.length));
      offset += p.length;
    }
  }
  const auto* parts = bias.present() ? parts_of(bias.tensor) : nullptr;
  if (parts == nullptr) return;
  const at::Tensor sums = d_out.sum(0);
  for (const Part& p : *parts) give(p.slice, sums.narrow(0, p.start - bias.first, p.length));
}

void SliceGradients::inputs(const TensorRef& ref, const at::Tensor& h, const at::Tensor& d_out) {
  const auto* parts = parts_of(ref.tensor);
  if (parts == nullptr) return;
  const at::Tensor chosen = columns(h, *parts, ref.first);
  const at::Tensor all = ref.transposed ? at::mm(d_out.t(), chosen) : at::mm(chosen.t(), d_out);
  int64_t offset = 0;
  for (const Part& p : *parts) {
    give(p.slice, all.narrow(ref.unit_dim, offset, p.length));
    offset += p.length;
  }
}

void SliceGradients::vector(const std::string& tensor, const at::Tensor& rows) {
  const auto* parts = tensor.empty() ? nullptr : parts_of(tensor);
  if (parts != nullptr) give(parts->front().slice, rows.flatten(0, -2).sum(0));
}

void SliceGradients::norm_weights(const std::string& weight, const std::string& bias, const at::Tensor& x,
                                  const NormStats& stats, const at::Tensor& d_y) {
  if (parts_of(weight) != nullptr) vector(weight, d_y * norm_standardised(x, stats));
  vector(bias, d_y);
}

void SliceGradients::add(const TokenBatch& batch, ForwardCache& run, const Loss& loss, double scale) {
  const Layout& layout = model_.layout();
  const at::Tensor d_y = loss.d_y * scale;
  norm_weights(layout.final_norm, layout.final_norm_bias, loss.head.x, loss.head.stats, d_y);
  if (const auto* parts = parts_of(layout.unembedding)) give(parts->front().slice, loss.d_unembedding * scale);
  Visitor visitor(*this, batch, run);
  backward(model_, batch, run, head_backward(model_, loss.head, d_y, batch.tokens()), KeyValueGradients::kGrouped,
           CacheUse::kRelease, visitor);
}

double SliceGradients::norm() const {
  double squares = 0;
  for (const at::Tensor& g : gradients_) {
    if (!g.defined()) continue;
    const double n = at::linalg_vector_norm(g).item<double>();
    squares += n * n;
  }
  return std::sqrt(squares);
}

void SliceGradients::scale_by(double factor) {
  for (at::Tensor& g : gradients_) {
    if (g.defined()) g.mul_(factor);
  }
}

}  // namespace circuit
