#include "selection/selector.h"

#include "core/names.h"

namespace circuit {

#define CIRCUIT_MADE(name) name(),
const std::vector<Selector>& selectors() {
  static const std::vector<Selector> all{CIRCUIT_SELECTORS(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

void SelectionSpec::declare(Settings* s) {
  s->add("kind", &kind, "How edges become a circuit.").one_of(choices_of(selectors()));
  s->add("n", &n, "N: edges of the circuit; nodes of kind top-nodes.").at_least(1);
  declare_parameters(selectors(), s, &own);
  s->add("signed", &signed_scores, "Rank by the score itself and take positive ones only.");
}

const Selector& find_selector(const std::string& name) { return find_named(selectors(), "selection", name); }

}  // namespace circuit
