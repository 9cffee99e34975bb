// What each node carries of what tuning taught: one model's nodes patched into the other's run, both ways
// (intervention/cross_patch.h).
#pragma once

#include <cstdint>
#include <vector>

#include "dynamics/analysis.h"

namespace circuit {

// Per record, in metric units.
using RecordValues = std::vector<double>;

struct PatchEffects {
  RecordValues lost;    // M(tuned) − M(tuned with the base's outputs of the nodes)
  RecordValues gained;  // M(base with the tuned model's outputs of the nodes) − M(base)
};

struct NodePatching {
  RecordValues base, tuned;            // M_i of both models
  RecordValues rounding;               // of M_i (metric_rounding.h), the larger of the two
  std::vector<PatchEffects> estimate;  // by upstream node: to the first order
  std::vector<PatchEffects> exact;     // by upstream node: patched alone; empty where it was not
  const PatchEffects& best(int64_t u) const { return exact[u].lost.empty() ? estimate[u] : exact[u]; }
};

// Nodes that are patched one by one: those of the largest estimate either way. The others have the estimate alone.
constexpr int64_t kExactNodes = 64;

// Throws Error: the metric compares a run with its own model (Metric::flat_at_clean).
NodePatching patch_nodes(const Model& base, const Model& tuned, const Graph& graph,
                         const std::vector<const Example*>& examples, const ScoreSpec& spec,
                         int64_t exact_nodes = kExactNodes);

// Sets of upstream nodes patched together, one flag a node: those that the tuned model gets of the base, and those that
// the base gets of the tuned model.
struct NodeSets {
  std::vector<bool> into_tuned, into_base;
};
std::vector<PatchEffects> patch_sets(const Model& base, const Model& tuned, const Graph& graph,
                                     const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                     const std::vector<NodeSets>& sets);

// By upstream node: ‖ΔW‖ / ‖W‖ of what is the node's and its readers' (slices.h), without shared biases and norms. NaN
// where it has no parameter that is not zero.
std::vector<double> node_changes(const Model& base, const Model& tuned, const Graph& graph);

// By upstream node: whether the circuit has an edge at the node or at one of its readers.
std::vector<bool> nodes_in(const Graph& graph, const Circuit& circuit);

}  // namespace circuit
