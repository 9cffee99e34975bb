// From the last stream to logits, losses and back: final norm and unembedding, at chosen rows only.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"
#include "model/norm.h"

namespace circuit {

// The final norm's output at some rows, with what its backward needs.
struct HeadInput {
  at::Tensor rows;  // [n] int64, rows of the stream; a row may stand twice
  at::Tensor x;     // [n, d_model]
  NormStats stats;
  at::Tensor y;  // [n, d_model]
};
HeadInput head_input(const Model& model, const at::Tensor& x_final, const at::Tensor& rows);

// Logits from the final norm's output: y Uᵀ, soft-capped where the architecture says so. [n, d_model] → [n, vocab]
at::Tensor head_logits(const Model& model, const at::Tensor& y);

// Gradient at y Uᵀ, of which U and y take theirs, from that at the logits, which it overwrites. [n, vocab] each;
// `logits` as head_logits made them.
at::Tensor head_logits_backward(const Model& model, const at::Tensor& logits, at::Tensor d_logits);

// Σ_i weights[i] · (logit of token ids[i] at row owners[i] of y), per row: what a metric of few tokens needs.
struct TokenLogits {
  at::Tensor values;  // [n]
  at::Tensor d_y;     // [n, d_model] of each sum
  at::Tensor slopes;  // [ids] of the soft cap at each token's logit; undefined: no cap
};
TokenLogits token_logits(const Model& model, const at::Tensor& y, const at::Tensor& owners, const at::Tensor& ids,
                         const at::Tensor& weights);

// Gradient at the last stream from the gradient at y: [tokens, d_model], zero at other rows.
at::Tensor head_backward(const Model& model, const HeadInput& input, const at::Tensor& d_y, int64_t tokens,
                         Rule rule = Rule::kGradient);

// Tokens to predict: the logits of row rows[i] predict targets[i].
struct Targets {
  at::Tensor rows;     // [n] int64
  at::Tensor ids;      // [n] int64
  at::Tensor weights;  // [n], dtype of the model; undefined: 1
};

enum class LossGradient { kNone, kStream, kStreamAndUnembedding };

struct Loss {
  at::Tensor nll;  // [n] float64, nats, unweighted
  HeadInput head;
  at::Tensor d_y;            // [n, d_model], of Σ weight · nll
  at::Tensor d_unembedding;  // [vocab, d_model]
};

// Negative log-likelihood of every target, and the gradient of its weighted sum. The logits exist for
// kMaxLogitBytes at a time.
Loss nll_loss(const Model& model, const at::Tensor& x_final, const Targets& targets, LossGradient gradient);

}  // namespace circuit
