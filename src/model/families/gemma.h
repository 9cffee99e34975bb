// What Gemma 2 and 3 share beyond llama_like.h: the embedding times √d_model, norms stored as γ − 1 before and after
// every block, GeGLU, a score scale of its own, a tied head, windows on some layers.
#pragma once

#include <string>

#include "model/families/llama_like.h"

namespace circuit {

// Everything but the family's name, q/k norm, caps and local rotary. Throws Error naming the key that is missing or
// not supported.
Architecture read_gemma(const Json& config, const std::string& place, const WindowPattern& pattern);

// A positive number or null; where the key is absent, the fallback.
std::optional<double> read_softcap(const Json& config, const std::string& key, std::optional<double> fallback,
                                   const std::string& place);

}  // namespace circuit
