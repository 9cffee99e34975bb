// A model directory opened for the computation.
#pragma once

#include <string>

#include "model/compute.h"
#include "task/records.h"

namespace circuit {

struct OpenModel {
  // Says the architecture's notes on stderr. Throws what reading the directory throws.
  OpenModel(const std::string& directory, const ComputeSpec& compute);
  // The base, and a model of its architecture with the weights of another checkpoint.
  OpenModel(Checkpoint base, const Checkpoint& weights, const ComputeSpec& compute);
  Checkpoint checkpoint;
  Model model;
  LazyTokenizer tokenizer;
};

}  // namespace circuit
