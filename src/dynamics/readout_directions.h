// Directions of the last stream that tell a readout's right tokens from its wrong ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/model.h"
#include "task/example.h"

namespace circuit {

struct ReadoutDirections {
  at::Tensor mean;       // [d_model] float64: mean over readouts of γ ⊙ (mean U[correct] − mean U[wrong])
  at::Tensor principal;  // [d_model], unit: first right singular vector of those differences, uncentred
  int64_t readouts = 0;
};

// γ of the final norm is folded in; U is the unembedding. Where readouts come in opposite pairs the mean cancels and
// the principal direction still stands. Throws Error when no example has both kinds of tokens.
ReadoutDirections readout_directions(const Model& model, const std::vector<const Example*>& examples);

}  // namespace circuit
