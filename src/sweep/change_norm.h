// How far a run has moved its model.
#pragma once

#include "model/checkpoint.h"
#include "tuning/parameter_store.h"

namespace circuit {

// ‖W − W₀‖₂ over all parameters, W as an export would hold them (rounded to the base's dtype, adapters merged), W₀ the
// base's. Summed in float64; whole changed tensors are in memory meanwhile.
double change_norm(const ParameterStore& store, const Checkpoint& base);

}  // namespace circuit
