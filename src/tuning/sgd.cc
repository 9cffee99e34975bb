// SGD with momentum as torch.optim.SGD: g ← g + λw; m ← μm + g (first m = g); w ← w − lr·m.
#include <ATen/TensorOperators.h>

#include "tuning/optimizer.h"

namespace circuit {
namespace {

void update(const OptimizerSpec& spec, double lr, double weight_decay, const at::Tensor& weight,
            const at::Tensor& gradient, SliceState* state) {
  if (weight_decay != 0) gradient.add_(weight, weight_decay);
  ++state->updates;
  if (spec.momentum == 0) {
    weight.add_(gradient, -lr);
    return;
  }
  if (state->first.defined()) {
    state->first.mul_(spec.momentum).add_(gradient);
  } else {
    state->first = gradient.clone(at::MemoryFormat::Contiguous);
  }
  weight.add_(state->first, -lr);
}

}  // namespace

Optimizer sgd() { return {"sgd", update, 1}; }

}  // namespace circuit
