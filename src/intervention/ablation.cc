#include "intervention/ablation.h"

#include "core/names.h"

namespace circuit {

const std::vector<Ablation>& ablations() {
#define CIRCUIT_MADE(name) name(),
  static const std::vector<Ablation> all{CIRCUIT_ABLATIONS(CIRCUIT_MADE)};
#undef CIRCUIT_MADE
  return all;
}

const Ablation* find_ablation(const std::string& name) { return &find_named(ablations(), "ablation", name); }

}  // namespace circuit
