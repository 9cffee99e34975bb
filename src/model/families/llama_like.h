// What Llama, Mistral, Qwen 2, Qwen 3 and Gemma share: RMSNorm, rotary positions, a gated MLP, grouped-query
// attention, separate projections as Linear [out, in], tied or untied head, and the names of the tensors.
#pragma once

#include <string>

#include "model/families/family.h"

namespace circuit {

// Everything but the family's name, biases, q/k norm, window and post-norms. Throws Error naming the key that is
// missing or not supported.
Architecture read_llama_like(const Json& config, const std::string& place);

// Throws Error where use_sliding_window or layer_types asks for a window.
void require_full_attention(const Json& config, const std::string& place);

Layout llama_like_layout(const Architecture& architecture);

}  // namespace circuit
