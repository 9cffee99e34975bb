// What a backward leaves of the readers, in the compact form that a tile of positions is rebuilt from.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/backward.h"
#include "scoring/folded_weights.h"
#include "scoring/spans.h"

namespace circuit {

// What the norm takes off along x̂ in one run.
struct NormComponent {
  at::Tensor share;  // [n, readers, 1], ⟨x̂, γ W d⟩ · rstd / d_model
  at::Tensor x;      // [n, d_model] the stream read
  NormStats stats;
};

// Readers that share one norm input, at n scored positions, summed over runs. d undefined: their gradient is zero.
struct ReaderGradients {
  // [n, readers, width] at the projections' outputs, times rstd. width: of the widest; zero past a narrower one's.
  at::Tensor d;
  std::vector<NormComponent> along;  // one per run

  void add(ReaderGradients other);
};

struct LayerGradients {
  ReaderGradients attention;  // q, then k span by span, then v: as ReaderSlots has them
  ReaderGradients mlp;        // of blocks
  at::Tensor d_mlp;           // [n, d_model] of an MLP that is one node, or of a router
};

// The compact form of one layer's q, k and v readers. rows: scored positions, undefined: all. query_spans: the
// heads' gradients through the queries of each span; empty: keys and values are not split.
ReaderGradients attention_readers(const LayerWeights& weights, const AttentionBackward& gradients,
                                  const LayerCache& kept, const FoldedLayer& folded,
                                  const std::vector<AttentionGradients>& query_spans, const at::Tensor& rows,
                                  Rule rule);

// The same of its MLP blocks.
ReaderGradients mlp_block_readers(const MlpBackward& gradients, const FoldedLayer& folded, const Graph& graph,
                                  const at::Tensor& rows, Rule rule);

// ∂M/∂X_v at positions first … first + count − 1 into down [count, readers, d_model]. weights: of the readers in
// order, each as many as it has.
void rebuild_readers(const ReaderGradients& gradients, const std::vector<const FoldedReaders*>& weights, int64_t first,
                     int64_t count, const at::Tensor& down);

// Σ over the positions of ∂M/∂X_v, [readers, d_model].
at::Tensor sum_readers(const ReaderGradients& gradients, const std::vector<const FoldedReaders*>& weights);

// out[:, h] = a[:, h] b[h] ⊙ scale: [n, heads, width] × [heads, width, d_model] → [n, heads, d_model]; scale [d_model]
// or undefined, 1.
void head_products(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& scale = {});

}  // namespace circuit
