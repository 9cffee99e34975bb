#include "tuning/gradient_check.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <cmath>
#include <limits>

#include "tuning/gradients.h"

namespace circuit {
namespace {

double length(const at::Tensor& t) { return at::linalg_vector_norm(t.to(at::kDouble)).item<double>(); }

double limit_of(at::ScalarType dtype) {
  if (dtype == at::kDouble) return 1e-6;
  return dtype == at::kFloat ? 1e-2 : 2e-1;
}

}  // namespace

GradientCheck check_gradient(Model& model, const std::vector<Slice>& slices, const ExampleBatch& batch) {
  SliceGradients gradients(model, slices);
  ForwardCache run = forward(model, batch.tokens, Keep::kBackward);
  const Loss loss = nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding);
  weight_gradients(model, batch.tokens, run, loss, 1, gradients);
  GradientCheck check;
  size_t chosen = 0;
  for (size_t i = 0; i < slices.size(); ++i) {
    if (!gradients.gradients()[i].defined()) continue;
    const double norm = length(gradients.gradients()[i]);
    if (norm <= check.gradient) continue;
    check.gradient = norm;
    chosen = i;
  }
  check.limit = limit_of(model.dtype());
  check.slice = slices[chosen].node + ", " + slices[chosen].tensor;
  check.error = std::numeric_limits<double>::infinity();
  if (check.gradient == 0) return check;
  const at::Tensor view = writable_slice(model, slices[chosen]);
  const at::Tensor kept = view.clone();
  const at::Tensor direction = gradients.gradients()[chosen] / check.gradient;
  const auto loss_at = [&](double distance) {
    view.copy_(kept).add_(direction, distance);
    const ForwardCache moved = forward(model, batch.tokens, Keep::kNothing);
    return nll_loss(model, moved.x_final, batch.targets, LossGradient::kNone).nll.sum().item<double>();
  };
  const double size = length(kept);
  for (const double share : {1e-4, 1e-3, 1e-2, 1e-1}) {
    const double distance = share * size;
    const double slope = (loss_at(distance) - loss_at(-distance)) / (2 * distance);
    const double error = std::fabs(slope / check.gradient - 1);
    if (!(error < check.error)) continue;
    check.error = error;
    check.slope = slope;
  }
  view.copy_(kept);
  return check;
}

}  // namespace circuit
