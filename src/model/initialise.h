// A model from scratch: weights drawn for a config.json.
#pragma once

#include <cstdint>
#include <string>

namespace circuit {

// Writes a model directory to `target` (replaced where it exists): float32 weights for the config.json in `source`,
// and the other files of `source` but weights (tokenizer, licence). As GPT-2 was initialised (Radford et al. 2019):
// matrices and embeddings N(0, σ), the projections that write to the stream N(0, σ / √(2 · layers)), with σ the
// config's initializer_range or 0.02; norms 1, biases 0. Every tensor has a stream of numbers of its own, so that the
// weights are a function of the seed and the shapes. Throws Error naming what config.json lacks.
void write_initial_checkpoint(const std::string& source, uint64_t seed, const std::string& target);

}  // namespace circuit
