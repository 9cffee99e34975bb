// A run in which every edge carries a share of its node's output, and the gradient at those shares:
//   X_v = base_v + Σ_u m_uv (A_u(this run) − Ā_u)
// Where m is 0 or 1 it is a circuit's run (circuit_run.h); at m = 1 the gradient is what attribution patching takes for
// an edge's effect. Learned masks (Bhaskar et al. 2024, arXiv 2406.16778) descend it.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "graph/graph.h"
#include "intervention/ablated_run.h"
#include "model/forward.h"

namespace circuit {

// Throws Error naming what a masked run has no gradient of: readers of a mixture's experts, of latents, and keys and
// values per query head. who: what asks for it.
void check_masked(const Model& model, const Graph& graph, const std::string& who);

// Masks on one batch. Memory: three [upstream nodes, tokens, d_model], and what a backward keeps of one forward.
class MaskedRunner {
 public:
  // ablated: as CircuitRunner's. Of a model and graph that check_masked() lets pass.
  MaskedRunner(const Model& model, const Graph& graph, const TokenBatch& batch, const NodeOutputs& ablated);

  // mask [edges], in the order of the graph. Returns the stream that `logits` reads, [tokens, d_model], float32 at
  // least.
  at::Tensor run(const at::Tensor& mask);

  // ∂M/∂mask [edges] of the last run, from the gradient at the stream that it returned.
  at::Tensor gradient(const at::Tensor& d_final);

 private:
  // The readers of a block in their order, and those of the stream's end.
  struct Readers {
    std::vector<int64_t> ids;
    at::Tensor base;  // [tokens, d_model], ablated
  };
  // [readers, nodes that they see]
  at::Tensor rows_of(const Readers& readers, const at::Tensor& by_edge) const;
  // What each of them reads, [readers, tokens, d_model].
  at::Tensor streams(const Readers& readers) const;
  at::Tensor normed_streams(const at::Tensor& rows, int64_t visible) const;
  // Gradients at their streams to those at masks and at node outputs.
  void back(const Readers& readers, const at::Tensor& d_streams);
  void back_normed(const at::Tensor& rows, int64_t visible, const at::Tensor& d_streams, const at::Tensor& d_rows);

  Readers readers_of(const AblatedBlock& block) const;
  void run_heads(const AblatedBlock& block);
  void run_mlp(const AblatedBlock& block);
  at::Tensor heads_back(const AblatedBlock& block);  // gradients at the norm's outputs, [readers, tokens, d_model]
  at::Tensor mlp_back(const AblatedBlock& block);
  void put(int64_t upstream, const at::Tensor& difference);
  at::Tensor gradient_at(int64_t upstream) const;  // at a node's output as it is multiplied, in the model's dtype

  const Model& model_;
  const Graph& graph_;
  const TokenBatch& batch_;
  const NodeOutputs& ablated_;
  const AblatedRun base_;
  at::Tensor mask_, d_mask_;            // [edges]
  at::Tensor differences_, d_outputs_;  // A_u − Ā_u and the gradients there, [upstream, tokens, d_model]
  ForwardCache cache_;                  // of every layer what its attention and MLP keep
  std::vector<NormStats> attn_stats_, mlp_stats_;  // per layer, of all readers' streams one after another
};

}  // namespace circuit
