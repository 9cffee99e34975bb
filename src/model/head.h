// From the last stream to logits, losses and back: final norm and unembedding, at chosen rows only.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

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
// The same with x and y in float32 at least: what a metric reads. A BF16 logit of 10 is good to 0.03, more than most
// edges change it by.
HeadInput readout_input(const Model& model, const at::Tensor& x_final, const at::Tensor& rows);

// Logits from the final norm's output: y Uᵀ, soft-capped where the architecture says so. [n, d_model] → [n, vocab], in
// y's dtype; where U's is narrower it is widened a part at a time.
at::Tensor head_logits(const Model& model, const at::Tensor& y);
// ∂/∂y from the gradient at y Uᵀ: d_logits U. [n, vocab] → [n, d_model], in d_logits' dtype.
at::Tensor head_d_y(const Model& model, const at::Tensor& d_logits);

// f(first, count) for rows 0 … rows − 1 in parts whose logits stay below a fixed size (128 MiB of float32).
void for_logit_parts(const Model& model, int64_t rows, const std::function<void(int64_t first, int64_t count)>& f);

// Gradient at y Uᵀ, of which U and y take theirs, from that at the logits, which it overwrites. [n, vocab] each;
// `logits` as head_logits made them.
at::Tensor head_logits_backward(const Model& model, const at::Tensor& logits, const at::Tensor& d_logits);

// Σ_i weights[i] · (logit of token ids[i] at row owners[i] of y), per row: what a metric of few tokens needs.
struct TokenLogits {
  at::Tensor values;  // [n], float32 at least
  at::Tensor d_y;     // [n, d_model] of each sum, in y's dtype
  at::Tensor slopes;  // [ids] of the soft cap at each token's logit, float32 at least; undefined: no cap
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
  at::Tensor d_unembedding;  // [vocab, d_model]; in float32 at least where it is a sum of parts
  at::Tensor d_bias;         // [vocab], float32 at least; undefined where the logits have no bias
};

// Negative log-likelihood of every target, and the gradient of its weighted sum. The logits exist for a part at a time,
// in the model's dtype, without a gradient in float32 at least.
Loss nll_loss(const Model& model, const at::Tensor& x_final, const Targets& targets, LossGradient gradient);

}  // namespace circuit
