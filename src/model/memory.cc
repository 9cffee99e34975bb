#include "model/memory.h"

#include <algorithm>

#include "core/error.h"
#include "model/blocks/block.h"
#include "model/families/family.h"

namespace circuit {

MemoryPlan plan_memory(const Architecture& a, int64_t parameters, Pass pass, int64_t sequences, int64_t longest,
                       int64_t element_bytes) {
  const int64_t tokens = sequences * longest;
  const bool backward = pass != Pass::kForward;
  // Live while one layer is worked on, whatever is kept: all that its blocks make, twice over.
  int64_t working = 0;
  int64_t kept = 0;
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const BlockCost cost = layer_cost(a, l, longest);
    const bool again = pass == Pass::kTrainRecomputing;
    working = std::max(working, 2 * cost.made + 4 * a.d_model + (backward ? cost.slopes : 0) + (again ? cost.kept : 0));
    if (backward) kept += again ? a.d_model : cost.kept;
  }
  constexpr int64_t kLogitRows = 512;
  const int64_t copies = backward && a.head.softcap ? 4 : 2;  // with a cap, the logits and their slopes
  const int64_t logits = copies * std::min(tokens, kLogitRows) * a.vocab;
  MemoryPlan plan;
  plan.weights = parameters * element_bytes;
  plan.activations = (tokens * (kept + working) + logits) * element_bytes;
  return plan;
}

int64_t count_parameters(const Architecture& architecture) {
  for (const Family& family : families()) {
    if (family.model_type != architecture.family) continue;
    int64_t count = 0;
    for (const TensorShape& t : family.layout(architecture).tensors) {
      int64_t elements = 1;
      for (const int64_t n : t.shape) elements *= n;
      count += elements;
    }
    return count;
  }
  fail("model", "family '{}' is not in the list.", architecture.family);
}

}  // namespace circuit
