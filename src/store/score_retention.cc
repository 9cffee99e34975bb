#include "store/score_retention.h"

namespace circuit {

bool ScoreRetention::keeps(int64_t step) const {
  if (keep != Keep::kEvery) return keep == Keep::kAll;
  if (step / discovery_every % every == 0) return true;
  // An evaluation after d updates comes between this discovery and the next when step < d ≤ step + K.
  return (step + discovery_every) / evaluation_every > step / evaluation_every;
}

}  // namespace circuit
