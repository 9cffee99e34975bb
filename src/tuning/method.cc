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

// In the model's dtype, in float32 where several add up (SliceGradients: micro-batches, replay, lookups of embeddings).
int64_t TuningMethod::gradient_bytes(const StateShape& s, const TuningSettings& tuning) const {
  return s.trained * (s.summed || tuning.slices.train_embeddings ? 4 : s.element);
}

// The optimiser's states, and a master where the model's dtype is not float32.
int64_t TuningMethod::state_bytes(const StateShape& s) const {
  return s.held * (4 * s.states + (s.element < 4 ? 4 : 0));
}

}  // namespace circuit
