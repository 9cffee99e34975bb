// What Gemma 2 and 3 share beyond llama_like.h: the embedding times √d_model, norms stored as γ − 1 before and after
// every block, GeGLU, a score scale of its own, a tied head, windows on some layers.
#pragma once

#include <string>

#include "model/families/llama_like.h"

namespace circuit {

// Of which layers have a window, where config.json has no layer_types.
struct WindowPattern {
  std::string key;       // config.json's, may be absent
  int64_t fallback = 2;  // every fallback-th layer has none
};

// Everything but the family's name, q/k norm, caps and local rotary. Throws Error naming the key that is missing or
// not supported.
Architecture read_gemma(const Json& config, const std::string& place, const WindowPattern& pattern);

// A positive number or null; where the key is absent, the fallback.
std::optional<double> read_softcap(const Json& config, const std::string& key, std::optional<double> fallback,
                                   const std::string& place);

}  // namespace circuit
