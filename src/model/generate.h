// Text generation: several prompts of different lengths at once, with a key/value cache.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/rng.h"
#include "model/model.h"
#include "model/sampling.h"

namespace circuit {

struct GenerateSpec {
  int64_t max_tokens = 50;         // new tokens
  int64_t min_tokens = 0;          // an end token is not chosen before so many new ones
  SamplingSpec sampling{};         // greedy unless it says otherwise
  std::vector<int64_t> end_ids{};  // end a sequence besides the model's own
  bool stop_at_eos = true;
  int64_t batch = 16;  // sequences worked at once; changes no result but by rounding
};

// What ended a sequence: an end token of the model, max_tokens, the model's last position, or the caller's test.
enum class Stop { kEndToken, kMaxTokens, kPositions, kCaller };

struct Generated {
  std::vector<int64_t> ids;  // the new tokens; an end token that stopped it is the last
  Stop stop = Stop::kMaxTokens;
};

// Asked after every new token of a prompt that nothing else ended: true ends it. ids: its new tokens so far.
using StopTest = std::function<bool(size_t prompt, const std::vector<int64_t>& ids)>;

// The continuation of every prompt. A sequence that ends makes room for the next prompt, so that the products stay
// batched; of prompt i, sampling draws from `rng` split by i. Throws Error when a prompt is empty, has an id outside
// the vocabulary or does not fit the model's positions.
std::vector<Generated> generate(const Model& model, const std::vector<std::vector<int64_t>>& prompts,
                                const GenerateSpec& spec, const Rng& rng, const StopTest& stop = {});

}  // namespace circuit
