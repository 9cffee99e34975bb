// A term that is added to the loss: what it sums, and its gradients at the head.
#pragma once

#include "model/head.h"

namespace circuit {

struct LossTerm {
  double sum = 0;            // over its rows
  HeadInput head;            // at those
  at::Tensor d_y;            // [rows, d_model] gradient of the sum at the final norm's output
  at::Tensor d_unembedding;  // [vocab, d_model]; undefined unless wanted
  at::Tensor d_bias;         // [vocab], float32 at least; undefined unless wanted, or where the logits have no bias
};

// loss + weight · term as one loss: the gradients of both, `nll` of the loss alone. Of a loss of no rows, weight ·
// term.
Loss with_term(Loss loss, const LossTerm& term, double weight);

}  // namespace circuit
