// Which discoveries keep the score vector of all edges in run.db. Everything else of a discovery is always
// kept, the circuit's own scores too.
#pragma once

#include <cstdint>

namespace circuit {

struct ScoreRetention {
  // kLast: only what resuming needs, the last discovery before the last checkpoint; so the run's last in the
  // end.
  enum class Keep { kAll, kEvery, kLast };
  Keep keep = Keep::kAll;
  int64_t every = 10;              // N of kEvery: every N-th discovery, the first among them …
  int64_t discovery_every = 1;     // K, steps between discoveries
  int64_t evaluation_every = 100;  // … and the last one before each evaluation, whose circuit that is

  // Whether the discovery of this step keeps its scores whatever comes. Depends on the step alone, so that a
  // resumed run keeps what one that was never stopped does.
  bool keeps(int64_t step) const;
};

}  // namespace circuit
