// LoRA adapters as PEFT saves them: adapter_config.json and adapter_model.safetensors with
// base_model.model.MODULE.lora_A.weight [r, in] and …lora_B.weight [out, r]
// (huggingface.co/docs/peft, "PEFT checkpoint format").
#pragma once

#include <map>
#include <string>

#include "tuning/lora_store.h"

namespace circuit {

// Writes the folder; it must not exist. base: where the model came from, for the reader.
void write_adapter(const LoraStore& store, const Model& model, const std::string& base, const std::string& folder);

// Whether a folder holds an adapter (by its adapter_config.json).
bool is_adapter(const std::string& folder);

// Every tensor that the adapter changes, by file name, in the base's dtype: W₀ + s B A of linear layers, of the
// embedding and of the head. Understands rank-stabilised scaling (α / √r), patterns of rank and α, DoRA, biases
// (lora_bias, bias), whole modules (modules_to_save), single tokens (trainable_token_indices), and which modules and
// layers the configuration names; see adapter_config.h for what is refused. Throws Error naming the file and key or
// tensor, also for a module or shape that the model does not have, a tensor that the configuration leaves out (PEFT
// would not load it), and NaN.
std::map<std::string, at::Tensor> merge_adapter(const Checkpoint& base, const Model& model, const std::string& folder);

}  // namespace circuit
