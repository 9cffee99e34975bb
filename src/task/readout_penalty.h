// The regulariser of gender de-biasing (method.md §5, §7): the mean over examples and readouts of |logit difference|.
#pragma once

#include "task/example.h"
#include "task/loss_term.h"

namespace circuit {

// Its sum over the batch's readouts. Throws Error naming a record whose readout lacks `correct` or `wrong`. The batch
// must have readouts.
LossTerm readout_penalty(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                         LossGradient gradient);

}  // namespace circuit
