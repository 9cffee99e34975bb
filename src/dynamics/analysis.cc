#include "dynamics/analysis.h"

namespace circuit {

const std::vector<Analysis>& analyses() {
#define CIRCUIT_MADE(name) name(),
  static const std::vector<Analysis> list{CIRCUIT_ANALYSES(CIRCUIT_MADE)};
#undef CIRCUIT_MADE
  return list;
}

}  // namespace circuit
