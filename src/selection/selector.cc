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

const Selector& find_selector(const std::string& name) { return find_named(selectors(), "selection", name); }

}  // namespace circuit
