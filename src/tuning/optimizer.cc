#include "tuning/optimizer.h"

#include "core/names.h"

namespace circuit {

#define CIRCUIT_MADE(name) name(),
const std::vector<Optimizer>& optimizers() {
  static const std::vector<Optimizer> all{CIRCUIT_OPTIMIZERS(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

const Optimizer& find_optimizer(const std::string& name) { return find_named(optimizers(), "optimizer.kind", name); }

}  // namespace circuit
