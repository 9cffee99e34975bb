// Random models and records of the shapes that are measured.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "model/model.h"
#include "task/example.h"

namespace circuit::bench {

Architecture gpt2_small();
Architecture llama_1b();  // Llama-3.2-1B
Architecture llama_8b();  // Llama-3.1-8B: 805,681 edges

// Whether every layer has weights of its own, or all have the first layer's: a model larger than the memory
// then does the same work. The plan of memory counts weights as if each had its own.
enum class Layers { kOwn, kShared };

// N(0, 0.02), gains near 1: the benchmark measures time, not values.
Model random_model(const Architecture& architecture, at::ScalarType dtype, Layers layers = Layers::kOwn);

// Pairs of `length` random tokens each, read at the last one.
std::vector<Example> random_pairs(int64_t count, int64_t length, int64_t vocab);

std::vector<const Example*> pointers(const std::vector<Example>& examples);

}  // namespace circuit::bench
