// The anchor that holds a model to its base where the task does not speak: KL(base ‖ model) of the next token.
#pragma once

#include "model/forward.h"
#include "task/loss_term.h"

namespace circuit {

// Σ KL(base ‖ model) over `rows` [n] int64 of a batch, nats, with whole distributions in float32 at least. x_final: the
// model's last stream, [tokens, d_model]; base: of the same vocabulary, which is run here. That forgetting follows this
// divergence: Shenfeld et al. 2025, arXiv 2509.04259.
LossTerm anchor_term(const Model& base, const Model& model, const TokenBatch& batch, const at::Tensor& x_final,
                     const at::Tensor& rows, LossGradient gradient);

}  // namespace circuit
