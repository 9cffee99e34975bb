#include "tuning/optimizer.h"

#include "core/error.h"

namespace circuit {

const std::vector<Optimizer>& optimizers() {
  static const std::vector<Optimizer> all{
      sgd(),
      adamw(),
  };
  return all;
}

const Optimizer& find_optimizer(const std::string& name) {
  std::string known;
  for (const Optimizer& optimizer : optimizers()) {
    if (optimizer.name == name) return optimizer;
    known += (known.empty() ? "" : ", ") + optimizer.name;
  }
  throw UsageError(fmt::format("[optimizer.kind] '{}' is not known. Known: {}.", name, known));
}

}  // namespace circuit
