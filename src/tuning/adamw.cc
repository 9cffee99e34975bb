// AdamW (Loshchilov, Hutter 2019): decoupled decay, bias correction by the slice's own update count.
#include <ATen/TensorOperators.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "tuning/optimizer.h"

namespace circuit {
namespace {

void update(const OptimizerSpec& spec, double lr, double weight_decay, const at::Tensor& weight,
            const at::Tensor& gradient, SliceState* state) {
  if (!state->first.defined()) {
    state->first = at::zeros(weight.sizes(), weight.options());
    state->second = at::zeros(weight.sizes(), weight.options());
  }
  ++state->updates;
  if (weight_decay != 0) weight.mul_(1 - lr * weight_decay);
  state->first.mul_(spec.beta1).add_(gradient, 1 - spec.beta1);
  state->second.mul_(spec.beta2).addcmul_(gradient, gradient, 1 - spec.beta2);
  const double t = static_cast<double>(state->updates);
  const double correction1 = 1 - std::pow(spec.beta1, t);
  const double correction2 = 1 - std::pow(spec.beta2, t);
  const at::Tensor denominator = state->second.sqrt().div_(std::sqrt(correction2)).add_(spec.epsilon);
  weight.addcdiv_(state->first, denominator, -lr / correction1);
}

}  // namespace

Optimizer adamw() { return {"adamw", update, 2}; }

}  // namespace circuit
