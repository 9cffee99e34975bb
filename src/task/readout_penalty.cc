#include "task/readout_penalty.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include "model/wide.h"
#include "task/metric.h"

namespace circuit {

ReadoutPenalty readout_penalty(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                               LossGradient gradient) {
  ReadoutPenalty penalty;
  penalty.head = head_input(model, x_final, batch.readout_rows);
  const AnswerWeights answers = answer_weights(model, batch, "the regulariser");
  const TokenLogits found = token_logits(model, penalty.head.y, answers.owners, answers.ids, answers.weights);
  penalty.sum = found.values.to(at::kDouble).abs().sum().item<double>();
  const at::Tensor signs = found.values.sign();
  penalty.d_y = (found.d_y * signs.unsqueeze(1)).to(penalty.head.y.scalar_type());
  if (gradient != LossGradient::kStreamAndUnembedding) return penalty;
  at::Tensor factors = answers.weights * signs.index_select(0, answers.owners);
  if (found.slopes.defined()) factors = factors * found.slopes;
  penalty.d_unembedding = at::zeros(model.unembedding().sizes(), factors.options());
  penalty.d_unembedding.index_add_(0, answers.ids,
                                   wide(penalty.head.y).index_select(0, answers.owners) * factors.unsqueeze(1));
  return penalty;
}

Loss with_penalty(Loss loss, const ReadoutPenalty& penalty, double weight) {
  const auto joined = [](const at::Tensor& a, const at::Tensor& b) { return a.defined() ? at::cat({a, b}) : b; };
  const NormStats& more = penalty.head.stats;
  loss.head.rows = joined(loss.head.rows, penalty.head.rows);
  loss.head.x = joined(loss.head.x, penalty.head.x);
  loss.head.y = joined(loss.head.y, penalty.head.y);
  if (more.mean.defined()) loss.head.stats.mean = joined(loss.head.stats.mean, more.mean);
  loss.head.stats.rstd = joined(loss.head.stats.rstd, more.rstd);
  loss.d_y = joined(loss.d_y, penalty.d_y * weight);
  if (loss.d_unembedding.defined()) loss.d_unembedding.add_(penalty.d_unembedding, weight);
  return loss;
}

}  // namespace circuit
