#include "tuning/parameter_store.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace circuit {

double clip_factor(double norm, double clip) {
  if (!std::isfinite(norm)) {
    fail("tune", "the gradient is not finite. Lower optimizer.lr, set optimizer.clip, or check the data.");
  }
  // As torch.nn.utils.clip_grad_norm_: the same ε keeps a zero gradient from dividing by zero.
  constexpr double kClipEpsilon = 1e-6;
  return clip > 0 ? std::min(1.0, clip / (norm + kClipEpsilon)) : 1.0;
}

RoundedModel::RoundedModel(ParameterStore& store, const Checkpoint& base) {
  for (const auto& [name, view] : store.changed_views()) {
    const at::ScalarType stored = scalar_type_of(base.dtype(name), base.directory());
    if (stored == view.scalar_type()) continue;
    const at::Tensor rounded = view.to(stored).to(view.scalar_type());
    kept_.emplace_back(view, view.clone());
    view.copy_(rounded);
  }
}

RoundedModel::~RoundedModel() {
  for (const auto& [view, exact] : kept_) view.copy_(exact);
}

}  // namespace circuit
