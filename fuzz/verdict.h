// Whether a seed is what its name says: fuzz.sh runs every target over its seeds with CIRCUIT_FUZZ_VERDICT set.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace circuit {

// What a target returns. With CIRCUIT_FUZZ_VERDICT set, prints whether one of its readers took the input.
inline int fuzz_verdict(bool accepted) {
  static const bool aloud = std::getenv("CIRCUIT_FUZZ_VERDICT") != nullptr;
  if (aloud) std::puts(accepted ? "verdict: accepted" : "verdict: refused");
  return 0;
}

}  // namespace circuit
