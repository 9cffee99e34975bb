// How much memory a score or a run of circuits takes, from the shapes that are kept, before it starts; bytes.
#pragma once

#include <cstdint>

#include "graph/graph.h"
#include "model/compute.h"
#include "scoring/edge_accumulator.h"
#include "scoring/scorer.h"

namespace circuit {

struct ScorePlan {
  int64_t weights = 0;    // the model
  int64_t fixed = 0;      // whatever the batch: folded projections, sums
  int64_t per_token = 0;  // of a batch: what is kept of each token, and the working memory of one layer
  int64_t tokens = 0;     // of the longest sequence
  TileCost tile;
  // Each thread works in a tile of its own, as long as there are tiles.
  int64_t tiles(int64_t batch) const;
  int64_t total(int64_t batch) const { return weights + fixed + tiles(batch) + per_token * tokens * batch; }
  // The most sequences of one batch, at most `wanted`, that stay inside `limit`; 0: not even one does.
  int64_t fitting_batch(int64_t wanted, int64_t limit) const;
};

// longest: tokens of the longest record.
ScorePlan plan_score(const Model& model, const Graph& graph, const Scorer& scorer, const ScoreSpec& spec,
                     int64_t longest);

// Circuits run on a batch (CircuitRunner).
ScorePlan plan_circuits(const Model& model, const Graph& graph, int64_t longest);

// Examples per forward of what is planned: `wanted`, or fewer where the memory is short. Says the plan and the
// batch on stderr. Throws Error when not even one fits.
int64_t batch_in_memory(const ScorePlan& plan, int64_t wanted, const ComputeSpec& compute);

}  // namespace circuit
