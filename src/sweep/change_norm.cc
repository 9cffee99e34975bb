#include "sweep/change_norm.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sub.h>

#include <cmath>

namespace circuit {

double change_norm(const ParameterStore& store, const Checkpoint& base) {
  // The model's own checkpoint would not do: in F32 its tensors are the memory that training has written to.
  const Checkpoint original = Checkpoint::open(base.directory());
  double squares = 0;
  for (const auto& [name, tensor] : store.changed_tensors(base)) {
    const at::Tensor change = at::sub(tensor.cpu().to(at::kDouble), original.tensor(name).to(at::kDouble));
    const double norm = at::linalg_vector_norm(change).item<double>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

}  // namespace circuit
