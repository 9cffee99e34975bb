#include "selection/selector.h"

#include "core/error.h"

namespace circuit {

const std::vector<Selector>& selectors() {
  static const std::vector<Selector> all{
      top_edges_selector(),
      random_selector(),
  };
  return all;
}

const Selector& find_selector(const std::string& name) {
  std::string known;
  for (const Selector& selector : selectors()) {
    if (selector.name == name) return selector;
    known += (known.empty() ? "" : ", ") + selector.name;
  }
  throw UsageError(fmt::format("[selection] '{}' is not known. Known: {}.", name, known));
}

}  // namespace circuit
