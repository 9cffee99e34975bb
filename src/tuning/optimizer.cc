#include "tuning/optimizer.h"

#include "core/names.h"

namespace circuit {

const std::vector<Optimizer>& optimizers() {
  static const std::vector<Optimizer> all{
      sgd(),
      adamw(),
  };
  return all;
}

const Optimizer& find_optimizer(const std::string& name) { return find_named(optimizers(), "optimizer.kind", name); }

}  // namespace circuit
