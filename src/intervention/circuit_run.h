// Running a circuit (method.md §6): every reader gets its own copy of the stream,
//   X_v = constants + Σ_{u→v ∈ C} A_u(this run) + Σ_{u→v ∉ C} Ā_u
//       = base_v + Σ_{u→v ∈ C} (A_u(this run) − Ā_u),
// where base_v is the stream with every node ablated, the same for all circuits on a batch. Where a block writes
// through a post-norm, the norm is of the reader's own mixture of that block's outputs, A_u or Ā_u by edge.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "graph/graph.h"
#include "intervention/ablated_run.h"
#include "intervention/ablation.h"
#include "model/forward.h"

namespace circuit {

// Many circuits on one batch. Memory: one [tokens, d_model] copy per upstream node that a circuit needs.
class CircuitRunner {
 public:
  // ablated: Ā per node, [tokens, …] or [1, …] each (as `ablated_outputs` gives them), MLPs in channels where the
  // graph splits them.
  CircuitRunner(const Model& model, const Graph& graph, const TokenBatch& batch, const NodeOutputs& ablated);

  // edges: one flag per edge of the graph. Returns the stream that `logits` reads, [tokens, d_model].
  // Nodes whose output no edge of the circuit carries are not computed. Nothing is pruned here: a node
  // without incoming edges in C runs on the ablated stream, unless the caller dropped its outgoing edges.
  // Layers below the first edge that differs from the last run's are not worked again. The stream is in float32 at
  // least.
  at::Tensor run(const std::vector<bool>& edges);

 private:
  at::Tensor run_from(const std::vector<bool>& last_edges);
  // The streams of readers that see the same nodes, [distinct, tokens, d_model]: those with the same incoming
  // edges share one. row_of[i]: where reader i's stands.
  at::Tensor streams(const std::vector<int64_t>& readers, const at::Tensor& base, std::vector<int64_t>* row_of);
  // Σ over blocks of post-norm(Ā + mask · differences), for readers that see nodes below `visible`.
  at::Tensor normed_streams(const at::Tensor& mask, int64_t visible) const;
  // The first layer that the last run's differences do not hold for; n_layers: all of them do.
  int64_t first_change(const std::vector<bool>& last_edges, const std::vector<bool>& last_needed) const;
  void put(int64_t upstream, const at::Tensor& difference);
  // A block's nodes that the circuit needs. base: the stream that the block reads, ablated.
  void run_block(const Block& block, const at::Tensor& base);
  void run_heads(int64_t layer, const at::Tensor& base);
  void run_mlp(int64_t layer, const at::Tensor& base);
  void run_mlp_blocks(int64_t layer, const at::Tensor& base);
  bool split_mlps() const { return graph_.splits_mlps(); }
  bool needed(int64_t upstream) const { return needed_[upstream]; }

  const Model& model_;
  const Graph& graph_;
  const TokenBatch& batch_;
  const NodeOutputs& ablated_;
  const AblatedRun base_;
  RotaryTables rotary_;
  at::Tensor embedding_;
  std::vector<bool> edges_;
  std::vector<bool> needed_;    // upstream nodes with an edge in the circuit
  std::vector<int64_t> place_;  // needed upstream nodes before each one
  at::Tensor differences_;      // A_u(this run) − Ā_u of the needed nodes, [nodes, tokens, d_model]
};

}  // namespace circuit
