#include "tuning/method.h"

#include "core/names.h"

namespace circuit {

#define CIRCUIT_MADE(name) &name(),
const std::vector<const TuningMethod*>& tuning_methods() {
  static const std::vector<const TuningMethod*> all{CIRCUIT_TUNING_METHODS(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

const TuningMethod& find_tuning_method(const std::string& name) {
  for (const TuningMethod* method : tuning_methods()) {
    if (method->name() == name) return *method;
  }
  throw UsageError(fmt::format("[tuning.method] '{}' is not known. Known: {}.", name,
                               joined(tuning_methods(), [](const TuningMethod* m) { return m->name(); })));
}

int64_t Trained::write_adapters(const std::string&, const std::string& folder) const {
  fail(folder, "the method trains the model's own parameters: there are no adapters.");
}

// In the model's dtype, in float32 where several add up (SliceGradients: lookups of embeddings); beside those of a
// batch stand the sums of the batches before it, at most one at each height of the tree (ranks/tree_sum.h).
int64_t TuningMethod::gradient_bytes(const StateShape& s, const TuningSettings& tuning) const {
  const int64_t of_batch = s.summed || tuning.slices.train_embeddings ? 4 : s.element;
  int64_t sums = 0;
  for (int64_t n = s.batches; n > 1; n /= 2) ++sums;
  return s.trained * (of_batch + 4 * sums);
}

// The optimiser's states, and a master where the model's dtype is not float32.
int64_t TuningMethod::state_bytes(const StateShape& s) const {
  return s.held * (4 * s.states + (s.element < 4 ? 4 : 0));
}

}  // namespace circuit
