// The anchor that holds a model to its base where the task does not speak: KL(base ‖ model) of the next token.
#pragma once

#include "model/forward.h"
#include "task/loss_term.h"

namespace circuit {

// Σ KL(base ‖ model) over `rows` of a batch, nats. x_final: the model's last stream there; base: of the same
// vocabulary, which is run here.
LossTerm anchor_term(const Model& base, const Model& model, const TokenBatch& batch, const at::Tensor& x_final,
                     const at::Tensor& rows, LossGradient gradient);

}  // namespace circuit
