// Text generation for one prompt, with a key/value cache.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "model/model.h"

namespace circuit {

struct GenerateSpec {
  int64_t max_tokens = 50;       // new tokens
  double temperature = 0;        // 0: greedy
  int64_t top_k = 0;             // 0: all
  bool stop_at_eos = true;
};

// The prompt's ids followed by the new ones (an end token that stops it is included).
// Throws Error when the prompt is empty or does not fit the model's positions.
std::vector<int64_t> generate(const Model& model, const std::vector<int64_t>& prompt, const GenerateSpec& spec,
                              Rng& rng);

}  // namespace circuit
