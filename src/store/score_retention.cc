#include "store/score_retention.h"

#include <algorithm>

#include "core/error.h"

namespace circuit {

bool ScoreRetention::keeps(int64_t step) const {
  if (keep != Keep::kEvery) return keep == Keep::kAll;
  if (step / discovery_every % every == 0) return true;
  // An evaluation after d updates comes between this discovery and the next when step < d ≤ step + K.
  return (step + discovery_every) / evaluation_every > step / evaluation_every;
}

const std::vector<std::string>& score_retentions() {
  static const std::vector<std::string> names{"all", "every", "last"};
  return names;
}

ScoreRetention::Keep find_score_retention(const std::string& name) {
  const auto& names = score_retentions();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw UsageError(fmt::format("[run.keep_scores] '{}' is not known.", name));
  return static_cast<ScoreRetention::Keep>(found - names.begin());
}

}  // namespace circuit
