#include "task/loss_term.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include "model/wide.h"

namespace circuit {

Loss with_term(Loss loss, const LossTerm& term, double weight) {
  const auto joined = [](const at::Tensor& a, const at::Tensor& b) { return a.defined() ? at::cat({a, b}) : b; };
  const auto summed = [&](const at::Tensor& a, const at::Tensor& b) {
    if (!b.defined()) return a;
    return a.defined() ? wide(a).add_(b, weight) : b * weight;
  };
  const NormStats& more = term.head.stats;
  loss.head.rows = joined(loss.head.rows, term.head.rows);
  loss.head.x = joined(loss.head.x, term.head.x);
  loss.head.y = joined(loss.head.y, term.head.y);
  if (more.mean.defined()) loss.head.stats.mean = joined(loss.head.stats.mean, more.mean);
  loss.head.stats.rstd = joined(loss.head.stats.rstd, more.rstd);
  loss.d_y = joined(loss.d_y, term.d_y * weight);
  loss.d_unembedding = summed(loss.d_unembedding, term.d_unembedding);
  loss.d_bias = summed(loss.d_bias, term.d_bias);
  return loss;
}

}  // namespace circuit
