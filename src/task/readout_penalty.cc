#include "task/readout_penalty.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "model/wide.h"
#include "task/metric.h"

namespace circuit {

LossTerm readout_penalty(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                         LossGradient gradient) {
  LossTerm penalty;
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
  if (model.unembedding_bias().defined()) {
    penalty.d_bias = at::zeros({model.unembedding().size(0)}, factors.options()).index_add_(0, answers.ids, factors);
  }
  return penalty;
}

}  // namespace circuit
