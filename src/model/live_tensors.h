// Tensors of a program that has a model in memory, as a checkpoint: shared, not copied.
#pragma once

#include <map>
#include <string>

#include "model/checkpoint.h"

namespace circuit {

// directory: where config.json and the tokenizer's files are; weights in it are not looked at. weights: by the name
// that a checkpoint has for them, any float dtype, any device. What the program writes to them later is seen.
Checkpoint live_checkpoint(const std::string& directory, const std::map<std::string, at::Tensor>& weights);

}  // namespace circuit
