#include "selection/selector.h"

#include "core/names.h"

namespace circuit {

const std::vector<Selector>& selectors() {
  static const std::vector<Selector> all{
      top_edges_selector(),    top_edges_weighted_selector(), threshold_selector(), greedy_selector(),
      param_budget_selector(), top_nodes_selector(),          random_selector(),
  };
  return all;
}

void SelectionSpec::declare(Settings* s) {
  s->add("kind", &kind, "How edges become a circuit.").one_of(choices_of(selectors()));
  s->add("n", &n, "N: edges of the circuit; nodes of kind top-nodes.").at_least(1);
  declare_parameters(selectors(), s, &own);
  s->add("signed", &signed_scores, "Rank by the score itself and take positive ones only.");
}

const Selector& find_selector(const std::string& name) { return find_named(selectors(), "selection", name); }

}  // namespace circuit
