// From logits to the next token: what Hugging Face's logits processors do, in their order.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/rng.h"

namespace circuit {

struct SamplingSpec {
  double temperature = 0;         // 0: greedy; of equal logits the first
  int64_t top_k = 0;              // 0: all
  double top_p = 1;               // 1: all; else the fewest likeliest tokens whose probabilities reach top_p
  double min_p = 0;               // those below min_p times the likeliest one's probability are left out
  double repetition_penalty = 1;  // > 1: tokens of the sequence become less likely (CTRL, arXiv 1909.05858, 4.1)
};

// Tokens that may follow, likeliest first where top_k, top_p or min_p choose among them, and their probabilities.
struct NextTokens {
  at::Tensor ids;            // [kept], int64; undefined: all, in order
  at::Tensor probabilities;  // [kept], float64, CPU
};
// logits [vocab]. temperature > 0.
NextTokens next_tokens(const at::Tensor& logits, const SamplingSpec& spec);

// One of them by chance.
int64_t draw(const NextTokens& next, Rng& rng);

// A copy of logits [vocab] on the CPU in float64, in which every token of `sequence` is penalised once (a positive
// logit is divided by the penalty, a negative one multiplied) and none of `forbidden` can follow.
at::Tensor penalised(const at::Tensor& logits, double penalty, const std::vector<const std::vector<int64_t>*>& sequence,
                     const std::vector<int64_t>& forbidden);

}  // namespace circuit
