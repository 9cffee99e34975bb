#include "task/anchor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>

#include "model/wide.h"

namespace circuit {

LossTerm anchor_term(const Model& base, const Model& model, const TokenBatch& batch, const at::Tensor& x_final,
                     const at::Tensor& rows, LossGradient gradient) {
  LossTerm term;
  term.head = head_input(model, x_final, rows);
  const at::Tensor& y = term.head.y;
  const at::Tensor x_base = forward(base, batch, Keep::kNothing, {rows}).x_final.index_select(0, rows);
  const at::Tensor y_base = norm_forward(base.final_norm(), wide(x_base), nullptr);
  const bool unembedding = gradient == LossGradient::kStreamAndUnembedding;
  term.d_y = at::empty_like(y);
  for_logit_parts(model, rows.size(0), [&](int64_t first, int64_t count) {
    const at::Tensor y_part = y.narrow(0, first, count);
    const at::Tensor logits = wide(head_logits(model, y_part));
    const at::Tensor log_q = at::_log_softmax(logits, 1, false);
    const at::Tensor log_p = at::_log_softmax(head_logits(base, y_base.narrow(0, first, count)), 1, false);
    const at::Tensor p = log_p.exp();
    term.sum += (p * (log_p - log_q)).sum(at::kDouble).item<double>();
    // ∂KL/∂logits = q − p
    const at::Tensor d = head_logits_backward(model, logits, log_q.exp().sub_(p)).to(y.scalar_type());
    term.d_y.narrow(0, first, count).copy_(head_d_y(model, d));
    if (!unembedding) return;
    const at::Tensor d_u = wide(at::mm(d.t(), y_part));
    term.d_unembedding = term.d_unembedding.defined() ? term.d_unembedding.add_(d_u) : d_u;
    if (!model.unembedding_bias().defined()) return;
    const at::Tensor d_b = wide(d).sum(0);
    term.d_bias = term.d_bias.defined() ? term.d_bias.add_(d_b) : d_b;
  });
  return term;
}

}  // namespace circuit
