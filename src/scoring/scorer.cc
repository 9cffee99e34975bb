#include "scoring/scorer.h"

#include "core/error.h"

namespace circuit {

const std::vector<Scorer>& scorers() {
  static const std::vector<Scorer> all{
      eap_scorer(),
  };
  return all;
}

const Scorer& find_scorer(const std::string& name) {
  std::string known;
  for (const Scorer& scorer : scorers()) {
    if (scorer.name == name) return scorer;
    known += (known.empty() ? "" : ", ") + scorer.name;
  }
  throw UsageError(fmt::format("[method] '{}' is not known. Known: {}.", name, known));
}

Positions parse_positions(const std::string& name) {
  if (name == "all") return Positions::kAll;
  if (name == "readout") return Positions::kReadout;
  throw UsageError(fmt::format("[positions] '{}' is not known. Known: all, readout.", name));
}

const char* positions_name(Positions positions) { return positions == Positions::kAll ? "all" : "readout"; }

}  // namespace circuit
