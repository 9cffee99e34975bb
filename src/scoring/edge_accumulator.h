// What the methods of edge attribution share: inner products of node outputs and readers' gradients,
// contracted tile by tile.
//
//   S(u→v) = (1/N) Σ_i Σ_{t∈P_i} ⟨A_u − Ā_u, ∂(Σ_i M_i)/∂X_v⟩          (method.md §2)
//
// Kept per token: z of every head, MLP outputs (channels, where MLPs are split), and the readers' gradients
// before their projections. For a tile of positions at a time A_u = z_h W_O[h] and ∂M/∂X_v = J dq_h W_Q[h]ᵀ are
// rebuilt (folded_weights.h says how J, the norm's backward, is) and contracted. Through a post-norm a node adds
// γ ⊙ A_u at the scale of the run that the outputs come from, which is held (method.md §1).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "graph/graph.h"
#include "intervention/ablation.h"
#include "model/backward.h"
#include "scoring/reader_gradients.h"
#include "scoring/spans.h"

namespace circuit {

// What is subtracted from the outputs that `add` is given.
enum class Subtract {
  kNothing,  // they are A − Ā already
  // Their own mean over all tokens added, once it is known: S = (1/N)(Σ⟨A,g⟩ − ⟨Ā, Σ g⟩). Not by spans, nor
  // where post-norms scale every token by itself.
  kMean,
};

struct AccumulatorSpec {
  Subtract subtract = Subtract::kNothing;
  Rule rule = Rule::kGradient;
  int64_t tile_tokens = 0;         // see ScoreSpec
  std::vector<std::string> spans;  // names; empty: scores are not split
};

// Which part of a run is added.
struct ScoredPart {
  at::Tensor rows;                    // positions summed over, ascending; undefined: all
  at::Tensor labels;                  // [tokens] int64 on the CPU, each token's span; undefined unless scores are split
  CacheUse use = CacheUse::kRelease;  // whether the run's activations are needed afterwards
  const NodeRange* upstream = nullptr;  // blocks of nodes whose edges are added; null: all
  BackwardVisitor* witness = nullptr;   // sees the backward too; null: nobody
};

// One of several runs whose gradients meet the same outputs.
struct GradientRun {
  ForwardCache run;    // a forward that kept a backward
  at::Tensor d_final;  // ∂(Σ M_i)/∂(last stream), times the run's weight
};

// Runs whose gradients wait to be contracted together: each but the first holds one stream per layer. Five cost
// 0.07 MB a token more than three at GPT-2-small shape.
constexpr int64_t kRunsAtOnce = 3;

// What one thread works in: bytes of a position, and the most positions.
struct TileCost {
  int64_t position = 0, most = 0;
};
TileCost tile_cost(const Model& model, const Graph& graph, int64_t spans);

class EdgeAccumulator {
 public:
  // Reads the model's weights now: make a new one after they change.
  EdgeAccumulator(const Model& model, const Graph& graph, const AccumulatorSpec& spec);

  // Adds the gradients of one run. run: a forward that kept a backward; d_final: ∂(Σ M_i)/∂(last stream);
  // outputs: A − Ā (or A) per node and token. A block that the run had replaced has readers with a zero gradient.
  void add(const TokenBatch& tokens, ForwardCache& run, const at::Tensor& d_final, NodeOutputs outputs,
           const ScoredPart& part);

  // The same of `runs` runs of one batch, next(0), next(1), …: ⟨A − Ā, Σ g⟩, so that a tile is rebuilt and contracted
  // once for several of them. Kept of each meanwhile: the streams that its attention read.
  void add_runs(const TokenBatch& tokens, NodeOutputs outputs, const ScoredPart& part, int64_t runs,
                const std::function<GradientRun(int64_t)>& next);

  // What was added so far, as sums that may be added to those of other batches; nothing is added any more after it …
  std::vector<at::Tensor> take();
  // … and the sum of such, as if it had been added here.
  void give(std::vector<at::Tensor> sums);

  // Scores of everything added, over N examples, and the sum rule's violation. Throws Error on non-finite
  // scores.
  EdgeScores finish(int64_t examples, double* sum_rule_error) const;
  // The same by pairs of spans.
  SpanScores finish_spans(int64_t examples) const;

 private:
  class Collector;
  std::vector<at::Tensor*> sums();
  // Outputs as they are contracted: post-norms held, at the scored positions.
  NodeOutputs scored(NodeOutputs outputs, const ScoredPart& part);
  // Adds one run's gradients to `layers`.
  void gather(const TokenBatch& tokens, ForwardCache& run, const at::Tensor& d_final, const NodeOutputs& outputs,
              const ScoredPart& part, std::vector<LayerGradients>* layers);
  void contract(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients, const at::Tensor& d_logits,
                const ScoredPart& part);
  void contract(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients, const at::Tensor& d_logits,
                const std::vector<int64_t>& spans, const NodeRange& range);
  // Memory of one tile and the sums of the tiles worked in it.
  struct Tile {
    at::Tensor upstream;    // [tile, nodes of the range, d_model]
    at::Tensor downstream;  // flat, tile × readers of a chunk of layers × d_model
    at::Tensor sums;        // [spans, upstream, slots]
  };
  // One tile's positions, and the span of each.
  struct TilePart {
    int64_t first, count;
    const int64_t* spans;  // null: one span
  };
  Tile make_tile(int64_t tile, const NodeRange& range, const at::TensorOptions& options) const;
  int64_t tile_size(const NodeRange& range, int64_t positions) const;
  void rebuild_upstream(const NodeOutputs& outputs, const TilePart& part, const NodeRange& range,
                        const at::Tensor& up) const;
  void contract_tile(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients,
                     const at::Tensor& d_logits, const TilePart& part, const NodeRange& range, Tile* tile) const;
  // The weights of a layer's q, k and v slots in order.
  std::vector<const FoldedReaders*> attention_weights(int64_t layer) const;
  void add_reader_sums(const std::vector<LayerGradients>& gradients, const at::Tensor& d_logits);
  void subtract_mean(at::Tensor* sums, at::Tensor* direct) const;
  bool blocks() const { return graph_.splits_mlps(); }
  // Gradients at z and at an MLP's channels (its output where it is one node) from that at the stream.
  at::Tensor direct_heads(int64_t layer, const at::Tensor& d_stream) const;
  at::Tensor direct_mlp(int64_t layer, const at::Tensor& d_stream) const;
  at::Tensor direct(const Block& block, const at::Tensor& d_stream) const;

  const Model& model_;
  const Graph graph_;
  const AccumulatorSpec spec_;
  const ReaderSlots slots_;
  const NodeRange all_;
  std::vector<FoldedLayer> folded_;
  std::vector<at::Tensor> output_;      // W_O per layer, [heads, d_head, d_model]; columns times a post-norm's γ
  std::vector<at::Tensor> mlp_output_;  // W_out of blocks, [blocks, mlp_block, d_model], likewise
  MeanOutputs mean_;
  at::Tensor sums_;         // [spans, upstream, slots], float64, Σ ⟨outputs_u, g_v⟩
  at::Tensor reader_sums_;  // [downstream, d_model], float64, Σ g_v; for the mean only
  // The sum rule's other side: Σ ⟨A_u, ∂M/∂(stream after u)⟩ per upstream node, and Σ of that gradient.
  at::Tensor direct_;                                            // [upstream], float64
  std::vector<at::Tensor> z_gradient_sums_, mlp_gradient_sums_;  // float64 sums over positions, for the mean
  at::Tensor input_gradient_sum_;
};

}  // namespace circuit
