#include "store/discovery_cursor.h"

#include "core/error.h"

namespace circuit {

DiscoveryCursor::DiscoveryCursor(RunReader& run)
    : place_(run.place()),
      rows_(run.database().prepare(
          "SELECT step, scores, upstream_strength, downstream_strength FROM discoveries ORDER BY step")),
      members_(run.database().prepare("SELECT step, edge, score FROM circuit_edges ORDER BY step, edge")) {
  more_members_ = members_.step();
}

bool DiscoveryCursor::go_to(int64_t step) {
  do {
    if (!rows_.step()) return false;
  } while (rows_.integer(0) < step);
  step_ = rows_.integer(0);
  circuit_.clear();
  for (; more_members_ && members_.integer(0) <= step_; more_members_ = members_.step()) {
    if (members_.integer(0) == step_) circuit_.emplace_back(members_.integer(1), static_cast<float>(members_.real(2)));
  }
  return true;
}

bool DiscoveryCursor::kept_scores() const { return !rows_.is_null(1); }

void DiscoveryCursor::copy(int column, const char* name, size_t expected, float* to) const {
  copy_floats(rows_.blob(column), expected, fmt::format("discovery at step {}, {}", step_, name), place_, to);
}

void DiscoveryCursor::scores(size_t edges, float* to) const { copy(1, "scores", edges, to); }
void DiscoveryCursor::upstream_strength(size_t nodes, float* to) const { copy(2, "upstream_strength", nodes, to); }
void DiscoveryCursor::downstream_strength(size_t nodes, float* to) const { copy(3, "downstream_strength", nodes, to); }

}  // namespace circuit
