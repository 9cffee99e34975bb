// Log-probabilities of whole sequences: what text, pairs and choices are judged by.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"
#include "task/records.h"

namespace circuit {

struct ScoredSequence {
  std::vector<int64_t> ids;
  int64_t first_target = 1;  // ≥ 1; tokens from here on count
};

// A text in windows of so many tokens that overlap by one, so that every token after the first and the begin tokens is
// scored once. Throws Error where no token is left to score.
std::vector<ScoredSequence> text_windows(const Architecture& architecture, const EncodedText& text, int64_t window);

// −Σ_t log p(token t | those before it) over the tokens that count, nats, one per sequence; summed in float64. One
// forward. Throws Error for an id outside the vocabulary and for more tokens than the model has positions.
std::vector<double> sequence_nll(const Model& model, const std::vector<ScoredSequence>& sequences);

// −nll. Throws Error at `place` when it is not a finite number: comparing it would give an accuracy that means nothing.
double finite_log_prob(double nll, const std::string& place);

}  // namespace circuit
