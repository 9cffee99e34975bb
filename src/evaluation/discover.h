// From a model and records to edge scores and a circuit: the stages of scoring, selection and verification together.
#pragma once

#include <circuit/api.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/selected.h"
#include "evaluation/target.h"
#include "graph/graph_form.h"
#include "model/compute.h"
#include "scoring/channels.h"
#include "scoring/score_settings.h"
#include "scoring/scored_records.h"
#include "scoring/verify.h"
#include "selection/selector.h"

namespace circuit {

struct DiscoverRequest {
  std::string model, data;    // directory, records
  std::string ablation_data;  // records whose mean the mean ablations take; empty: data
  RecordOptions records;
  ScoreSettings score;
  GraphForm graph;
  SelectionSpec selection;
  TargetOptions target;
  int64_t resamples = 0;  // of the examples, for the share of them in which an edge is selected; 0: none
  double stable = 0;      // edges selected in at least this share of the resamples are kept
  bool prune = false;     // edges on no path from input to logits are dropped
  int64_t verify = 0;     // edges ablated one by one, sampled and strongest each
  int64_t batch = 16;     // records in one forward, or fewer where the memory is short
  bool spans = false;     // scores by pairs of spans too
  bool channels = false;  // scores of MLP channels too
  uint64_t seed = 0;
  ComputeSpec compute;
};

struct Discovered {
  Architecture architecture;
  Graph graph;
  ScoreResult result;
  Selected selected;
  std::optional<Verification> verification;
  std::optional<ChannelScores> channels;
  bool begin_token = false;  // whether texts were given one
};

// Throws Error: what a stage throws, scores that break the sum rule, are all zero, or of a metric that does not move.
// UsageError for a request that cannot be followed.
CIRCUIT_API Discovered discover(const DiscoverRequest& request);
// On a model that is open already; the request's own is only a name.
CIRCUIT_API Discovered discover(const DiscoverRequest& request, const OpenModel& open);

struct CircuitOutputs {
  std::string circuit;  // JSON, or safetensors where compact
  bool compact = false;
  std::string dot, svg, spans, channels;  // paths; empty: not asked for
};
// Each by atomic rename.
CIRCUIT_API void write_discovered(const DiscoverRequest& request, const Discovered& found,
                                  const CircuitOutputs& outputs);

}  // namespace circuit
