// What GPT-J and CodeGen share: all but how q, k and v are stored.
#pragma once

#include <string>

#include "model/families/llama_like.h"

namespace circuit {

// Everything of a GPT-J's config.json. Throws Error naming the key that is missing or not supported.
Architecture read_gptj(const Json& config, const std::string& place);
// The names of its tensors but those of q, k and v.
LayoutNames gptj_names();

}  // namespace circuit
