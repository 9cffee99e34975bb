// How much memory a pass needs, before it starts. Estimates from the shapes that are kept; bytes.
#pragma once

#include <cstdint>

#include "model/architecture.h"

namespace circuit {

// kTrainRecomputing: activations are made again in the backward (Keep::kStreams).
enum class Pass { kForward, kTrain, kTrainRecomputing };

struct MemoryPlan {
  int64_t weights = 0;      // parameters in the dtype of the computation
  int64_t activations = 0;  // kept and temporary tensors of one batch
  int64_t total() const { return weights + activations; }
};

// sequences × longest tokens in one batch; element_bytes of the computation (4 or 2).
MemoryPlan plan_memory(const Architecture& architecture, int64_t parameters, Pass pass, int64_t sequences,
                       int64_t longest, int64_t element_bytes);

// Parameters an architecture has, tied matrices once.
int64_t count_parameters(const Architecture& architecture);

}  // namespace circuit
