// What a GGUF file's metadata says of the model, as a Hugging Face directory's config.json has it. Read are the
// architectures llama (Llama 1 to 3, SmolLM 1 and 2, Mistral without a window, …), qwen2 (and 2.5) and qwen3.
#pragma once

#include <string>
#include <string_view>

#include "io/gguf.h"
#include "io/json.h"

namespace circuit {

// Throws Error naming the key that is missing, or that asks for what is not read.
// file: the bytes that the header was read from.
Json gguf_config(const GgufHeader& header, std::string_view file);

// generation_config.json: the tokens that begin and end a text.
Json gguf_generation_config(const GgufHeader& header);

// Whether the rows of q and k stand in pairs, as llama.cpp's rotary positions want them for this architecture.
bool gguf_pairs_rows(const std::string& architecture);

// The parameter's name in a Hugging Face directory; empty for what config.json says instead (rope_freqs.weight). Throws
// Error naming a tensor that has no place in the architecture.
std::string gguf_tensor_name(const GgufHeader& header, const std::string& name);

}  // namespace circuit
