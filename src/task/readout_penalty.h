// The regulariser of gender de-biasing (method.md §5, §7): the mean over examples and readouts of |logit difference|.
#pragma once

#include <vector>

#include "task/example.h"

namespace circuit {

struct ReadoutPenalty {
  double sum = 0;            // Σ_r |logit difference of r| over the batch's readouts
  HeadInput head;            // at the readouts
  at::Tensor d_y;            // [readouts, d_model] gradient of the sum at the final norm's output
  at::Tensor d_unembedding;  // [vocab, d_model]; undefined unless wanted
};

// Throws Error naming a record whose readout lacks `correct` or `wrong`. The batch must have readouts.
ReadoutPenalty readout_penalty(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                               LossGradient gradient);

// loss + weight · penalty as one loss: the gradients of both, `nll` of the loss alone.
Loss with_penalty(Loss loss, const ReadoutPenalty& penalty, double weight);

}  // namespace circuit
