// What the methods of edge attribution share: inner products of node outputs and readers' gradients,
// contracted tile by tile.
//
//   S(u→v) = (1/N) Σ_i Σ_{t∈P_i} ⟨A_u − Ā_u, ∂(Σ_i M_i)/∂X_v⟩          (method.md §2)
//
// Kept per token: z of every head, MLP outputs, and the readers' gradients before their projections (dq, dk,
// dv). For a tile of positions at a time A_u = z_h W_O[h] and ∂M/∂X_v = J dq_h W_Q[h]ᵀ are rebuilt and
// contracted. J, the norm's backward, is folded: γ and the centring go into W_Q, rstd into dq, and the
// component along x̂ is known beforehand, since ⟨x̂, γ W_Q dq⟩ = ⟨q − (β W_Q + b_Q), dq⟩.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "model/backward.h"
#include "graph/graph.h"
#include "intervention/ablation.h"

namespace circuit {

// What is subtracted from the outputs that `add` is given.
enum class Subtract {
  kNothing,  // they are A − Ā already
  kMean,     // their own mean over all tokens added, once it is known: S = (1/N)(Σ⟨A,g⟩ − ⟨Ā, Σ g⟩)
};

class EdgeAccumulator {
 public:
  // Reads the model's weights now: make a new one after they change. tile_tokens: see ScoreSpec.
  EdgeAccumulator(const Model& model, const Graph& graph, Subtract subtract, int64_t tile_tokens);
  ~EdgeAccumulator();
  EdgeAccumulator(const EdgeAccumulator&) = delete;
  EdgeAccumulator& operator=(const EdgeAccumulator&) = delete;

  // Adds the gradients of one run. run: a forward that kept a backward; d_final: ∂(Σ M_i)/∂(last stream);
  // outputs: A − Ā (or A) per node and token. rows: positions summed over, undefined: all. use: whether the
  // run's activations are needed afterwards.
  void add(const TokenBatch& tokens, ForwardCache& run, const at::Tensor& d_final, NodeOutputs outputs,
           const at::Tensor& rows, CacheUse use);

  // Scores of everything added, over N examples, and the sum rule's violation. Throws Error on non-finite
  // scores.
  EdgeScores finish(int64_t examples, double* sum_rule_error) const;

 private:
  class Collector;
  struct FoldedLayer;
  struct LayerGradients;
  void contract(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients,
                const at::Tensor& d_logits);
  // Memory of one tile and the sums of the tiles worked in it.
  struct Tile {
    at::Tensor upstream;    // [tile, upstream nodes, d_model]
    at::Tensor downstream;  // flat, tile × readers of a chunk of layers × d_model
    at::Tensor sums;        // [upstream, downstream]
  };
  Tile make_tile(int64_t tile, const at::TensorOptions& options) const;
  void contract_tile(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients,
                     const at::Tensor& d_logits, int64_t first, int64_t count, Tile* tile) const;
  // ∂M/∂X_v of one layer's readers at positions first … first + count − 1 into down [count, readers, d_model].
  void rebuild_readers(const LayerGradients& g, int64_t layer, int64_t first, int64_t count,
                       const at::Tensor& down) const;
  void add_reader_sums(const std::vector<LayerGradients>& gradients, const at::Tensor& d_logits);

  const Model& model_;
  const Graph graph_;
  const Subtract subtract_;
  int64_t tile_tokens_;
  std::vector<FoldedLayer> folded_;
  std::vector<at::Tensor> output_;  // W_O per layer, [heads, d_head, d_model]
  MeanOutputs mean_;
  at::Tensor sums_;         // [upstream, downstream], float64, Σ ⟨outputs_u, g_v⟩
  at::Tensor reader_sums_;  // [downstream, d_model], float64, Σ g_v; for the mean only
  // The sum rule's other side: Σ ⟨A_u, ∂M/∂(stream after u)⟩ per upstream node, and Σ of that gradient.
  at::Tensor direct_;              // [upstream], float64
  std::vector<at::Tensor> z_gradient_sums_, mlp_gradient_sums_;  // float64 sums over positions, for the mean
  at::Tensor input_gradient_sum_;
};

}  // namespace circuit
