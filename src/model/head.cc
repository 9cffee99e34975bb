#include "model/head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "model/mlp.h"
#include "model/soft_cap.h"
#include "model/wide.h"

namespace circuit {
namespace {

constexpr int64_t kMaxLogitBytes = int64_t{128} << 20;

// f(first row, rows of U in x's dtype, as float32 of a BF16 matrix would be twice the matrix again).
template <class F>
void widened_parts(const at::Tensor& unembedding, at::ScalarType dtype, F f) {
  constexpr int64_t kPartBytes = int64_t{64} << 20;
  const int64_t part = std::max<int64_t>(1, kPartBytes / (unembedding.size(1) * static_cast<int64_t>(sizeof(float))));
  for (int64_t first = 0; first < unembedding.size(0); first += part) {
    f(first, unembedding.narrow(0, first, std::min(part, unembedding.size(0) - first)).to(dtype));
  }
}

}  // namespace

void for_logit_parts(const Model& model, int64_t rows, const std::function<void(int64_t first, int64_t count)>& f) {
  const int64_t row_bytes = model.architecture().vocab * static_cast<int64_t>(sizeof(float));
  const int64_t part = std::max<int64_t>(1, kMaxLogitBytes / row_bytes);
  for (int64_t first = 0; first < rows; first += part) f(first, std::min(part, rows - first));
}

HeadInput head_input(const Model& model, const at::Tensor& x_final, const at::Tensor& rows) {
  HeadInput input;
  input.rows = rows;
  input.x = x_final.index_select(0, rows);
  input.y = norm_forward(model.final_norm(), input.x, &input.stats);
  return input;
}

HeadInput readout_input(const Model& model, const at::Tensor& x_final, const at::Tensor& rows) {
  HeadInput input;
  input.rows = rows;
  input.x = wide(x_final.index_select(0, rows));
  input.y = norm_forward(model.final_norm(), input.x, &input.stats);
  return input;
}

at::Tensor head_logits(const Model& model, const at::Tensor& y) {
  const at::Tensor& u = model.unembedding();
  const auto& cap = model.architecture().head.softcap;
  const at::Tensor& bias = model.unembedding_bias();
  if (y.scalar_type() == u.scalar_type()) return soft_cap(linear(y, u.t(), bias), cap);
  at::Tensor logits = at::empty({y.size(0), u.size(0)}, y.options());
  widened_parts(u, y.scalar_type(), [&](int64_t first, const at::Tensor& rows) {
    logits.narrow(1, first, rows.size(0)).copy_(at::mm(y, rows.t()));
  });
  if (bias.defined()) logits.add_(bias);
  return soft_cap(logits, cap);
}

at::Tensor head_d_y(const Model& model, const at::Tensor& d_logits) {
  const at::Tensor& u = model.unembedding();
  if (d_logits.scalar_type() == u.scalar_type()) return at::mm(d_logits, u);
  at::Tensor d_y = at::zeros({d_logits.size(0), u.size(1)}, d_logits.options());
  widened_parts(u, d_logits.scalar_type(), [&](int64_t first, const at::Tensor& rows) {
    d_y.addmm_(d_logits.narrow(1, first, rows.size(0)), rows);
  });
  return d_y;
}

at::Tensor head_logits_backward(const Model& model, const at::Tensor& logits, const at::Tensor& d_logits) {
  const auto& cap = model.architecture().head.softcap;
  return cap ? d_logits.mul_(soft_cap_slope(logits, *cap)) : d_logits;
}

TokenLogits token_logits(const Model& model, const at::Tensor& y, const at::Tensor& owners, const at::Tensor& ids,
                         const at::Tensor& weights) {
  const at::Tensor rows = wide(model.unembedding().index_select(0, ids));
  const at::Tensor w = wide(weights);
  const at::Tensor wide_y = wide(y);
  const auto sums = [&](const at::Tensor& terms) {
    return at::zeros_like(wide_y).index_add_(0, owners, terms * w.unsqueeze(1));
  };
  const at::Tensor& bias = model.unembedding_bias();
  const at::Tensor shifts = bias.defined() ? wide(bias.index_select(0, ids)) : bias;
  // Linear without a cap: one direction per row of y, and no logit is made.
  const auto& cap = model.architecture().head.softcap;
  if (!cap) {
    const at::Tensor directions = sums(rows);
    at::Tensor values = (wide_y * directions).sum(1);
    if (bias.defined()) values.index_add_(0, owners, shifts * w);
    return {values, directions.to(y.scalar_type()), {}};
  }
  at::Tensor plain = (wide_y.index_select(0, owners) * rows).sum(1);
  if (bias.defined()) plain.add_(shifts);
  const at::Tensor logits = soft_cap(plain, cap);
  const at::Tensor slopes = soft_cap_slope(logits, *cap);
  return {at::zeros({y.size(0)}, wide_y.options()).index_add_(0, owners, logits * w),
          sums(rows * slopes.unsqueeze(1)).to(y.scalar_type()), slopes};
}

at::Tensor head_backward(const Model& model, const HeadInput& input, const at::Tensor& d_y, int64_t tokens, Rule rule) {
  const at::Tensor d_x = norm_backward(model.final_norm(), input.x, input.stats, d_y, rule);
  return at::zeros({tokens, d_x.size(1)}, d_x.options()).index_add_(0, input.rows, d_x).to(model.dtype());
}

namespace {

// Rows of a soft-max taken at once: on a CPU as many as its caches hold.
int64_t softmax_rows(const at::Tensor& logits) {
  constexpr int64_t kCached = int64_t{2} << 20;
  const int64_t row_bytes = logits.size(1) * static_cast<int64_t>(sizeof(float));
  return logits.is_cpu() ? std::max<int64_t>(16, kCached / row_bytes) : logits.size(0);
}

// −log softmax(logits)[id] of every row into `nll`; with `gradient`, logits [rows, vocab] become their own gradient
// times `weights` (undefined: 1), before any soft cap: ∂nll/∂logits = softmax − onehot.
void row_losses(const Model& model, const at::Tensor& logits, const at::Tensor& ids, const at::Tensor& weights,
                bool gradient, const at::Tensor& nll) {
  const int64_t rows = logits.size(0);
  const int64_t part = softmax_rows(logits);
  for (int64_t first = 0; first < rows; first += part) {
    const int64_t count = std::min(part, rows - first);
    const at::Tensor some = logits.narrow(0, first, count);
    const at::Tensor values = wide(some);
    const at::Tensor some_ids = ids.narrow(0, first, count).unsqueeze(1);
    const at::Tensor log_probs = at::_log_softmax(values, 1, false);
    nll.narrow(0, first, count).copy_(log_probs.gather(1, some_ids).squeeze(1).neg());
    if (!gradient) continue;
    at::Tensor d = log_probs.exp_();
    d.scatter_add_(1, some_ids, at::ones({count, 1}, d.options()).neg_());
    if (weights.defined()) d.mul_(weights.narrow(0, first, count).unsqueeze(1));
    some.copy_(head_logits_backward(model, values, d));
  }
}

}  // namespace

Loss nll_loss(const Model& model, const at::Tensor& x_final, const Targets& targets, LossGradient gradient) {
  Loss loss;
  // A loss that is only read is a metric.
  const bool read = gradient == LossGradient::kNone;
  loss.head = (read ? readout_input : head_input)(model, x_final, targets.rows);
  const at::Tensor& y = loss.head.y;
  const int64_t n = y.size(0);
  loss.nll = at::empty({n}, y.options().dtype(at::kDouble));
  if (gradient != LossGradient::kNone) loss.d_y = at::empty_like(y);
  const bool unembedding = gradient == LossGradient::kStreamAndUnembedding;
  for_logit_parts(model, n, [&](int64_t first, int64_t count) {
    const at::Tensor y_part = y.narrow(0, first, count);
    const at::Tensor logits = head_logits(model, y_part);
    const at::Tensor weights = targets.weights.defined() ? targets.weights.narrow(0, first, count) : at::Tensor();
    row_losses(model, logits, targets.ids.narrow(0, first, count), weights, !read, loss.nll.narrow(0, first, count));
    if (read) return;
    loss.d_y.narrow(0, first, count).copy_(head_d_y(model, logits));
    if (!unembedding) return;
    if (model.unembedding_bias().defined()) {
      const at::Tensor sums = wide(logits).sum(0);
      loss.d_bias = loss.d_bias.defined() ? loss.d_bias.add_(sums) : sums;
    }
    const at::Tensor d = at::mm(logits.t(), y_part);
    // From the second part on in float32: a BF16 sum would lose what is 256 times smaller than itself.
    loss.d_unembedding = loss.d_unembedding.defined() ? wide(loss.d_unembedding).add_(d) : d;
  });
  return loss;
}

}  // namespace circuit
