// A run in which every edge carries a share of its node's output, and the gradient at those shares:
//   X_v = base_v + Σ_u m_uv (A_u(this run) − Ā_u)
// m may also be of pairs of spans of tokens (scoring/spans.h): the span where u writes and v reads, and that for whose
// tokens v reads. Where m is 0 or 1 it is a circuit's run (circuit_run.h); at m = 1 the gradient is what attribution
// patching takes for an edge's effect. Learned masks (Bhaskar et al. 2024, arXiv 2406.16778) descend it.
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

  // The same with a mask of every pair of spans, [where, for whom, edges]. labels [tokens] int64: the span of each. A
  // layer's heads are worked once for every span. It has no gradient.
  at::Tensor run_spans(const at::Tensor& masks, const at::Tensor& labels);

  // ∂M/∂mask [edges] of the last run, from the gradient at the stream that it returned.
  at::Tensor gradient(const at::Tensor& d_final);

 private:
  // The readers of a block in their order, and those of the stream's end.
  struct Readers {
    std::vector<int64_t> ids;
    at::Tensor base;  // [tokens, d_model], ablated
  };
  static constexpr int64_t kOwn = -1;  // for whom: the tokens of the span where it is read
  int64_t spans() const { return static_cast<int64_t>(tokens_of_.size()); }
  at::Tensor run_blocks();
  // [readers, nodes that they see]
  at::Tensor rows_of(const Readers& readers, const at::Tensor& by_edge) const;
  // What each of them reads for tokens of span `whom`, [readers, tokens, d_model].
  at::Tensor streams(const Readers& readers, int64_t whom) const;
  // Σ of m (A − Ā) of some nodes, for readers of `rows` by span where they read.
  at::Tensor mixed(const std::vector<at::Tensor>& rows, const NodeRange& nodes) const;
  at::Tensor normed_streams(const std::vector<at::Tensor>& rows, int64_t visible) const;
  // Gradients at their streams to those at masks and at node outputs.
  void back(const Readers& readers, const at::Tensor& d_streams);
  void back_normed(const at::Tensor& rows, int64_t visible, const at::Tensor& d_streams, const at::Tensor& d_rows);

  Readers readers_of(const AblatedBlock& block) const;
  void run_heads(const AblatedBlock& block);
  at::Tensor attended(const AblatedBlock& block, int64_t whom);  // z
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
  at::Tensor masks_;                               // [where, for whom, edges]
  std::vector<at::Tensor> tokens_of_;              // of each span; undefined: all, where there is one span
  at::Tensor d_mask_;                              // [edges]
  at::Tensor differences_, d_outputs_;             // A_u − Ā_u and the gradients there, [upstream, tokens, d_model]
  ForwardCache cache_;                             // of every layer what its attention and MLP keep
  std::vector<NormStats> attn_stats_, mlp_stats_;  // per layer, of all readers' streams one after another
};

}  // namespace circuit
