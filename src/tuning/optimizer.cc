#include "tuning/optimizer.h"

#include <ATen/TensorOperators.h>

#include "core/names.h"
#include "tuning/null_space.h"

namespace circuit {

#define CIRCUIT_MADE(name) name(),
const std::vector<Optimizer>& optimizers() {
  static const std::vector<Optimizer> all{CIRCUIT_OPTIMIZERS(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

void update_one(const Optimizer& optimizer, const OptimizerSpec& spec, const SliceUpdate& u) {
  if (u.protection == nullptr) {
    optimizer.update(spec, u.step, u.weight, u.gradient, u.state);
    return;
  }
  const at::Tensor before = u.weight.clone();
  optimizer.update(spec, u.step, u.weight, u.gradient, u.state);
  const at::Tensor change = u.weight - before;
  take_away(*u.protection, change);
  u.weight.copy_(before.add_(change));
}

const Optimizer& find_optimizer(const std::string& name) { return find_named(optimizers(), "optimizer.kind", name); }

}  // namespace circuit
