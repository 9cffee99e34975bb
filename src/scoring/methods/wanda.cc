// wanda: |W| · ‖x‖ (Sun et al. 2023, arXiv 2306.11695, eq. 1) carried to edges. Wanda scores the weight from channel j
// to i of a linear layer by |W_ij| · ‖x_j‖, x being its input over the records' tokens. Of that input u's part is rstd
// · A_u, and an edge gets the Frobenius norm of the weights' scores with that part alone:
//
//   S(u→v) = √( (1/T) Σ_t Σ_j (rstd_v[t] · A_u[t,j])² · Σ_i W_f,v[j,i]² )
//
// W_f: with the norm folded in (folded_weights.h); T: tokens scored; A_u: in the clean run. Channels count apart, as in
// Wanda; ‖x_u W_f,v‖ itself would cost as much as W_O W_f of every pair of heads, and asks more than Wanda does.
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"
#include "model/norm.h"
#include "model/rows.h"
#include "scoring/channel_weights.h"
#include "scoring/folded_weights.h"
#include "scoring/for_ranges.h"
#include "scoring/gradient_methods.h"
#include "scoring/output_weights.h"

namespace circuit {
namespace {

class WeightedActivations {
 public:
  WeightedActivations(const Model& model, const Graph& graph)
      : model_(model), graph_(graph), read_(reader_squares(model, graph)) {
    for (int64_t l = 0; l < graph.n_layers(); ++l) {
      heads_.push_back(head_outputs(model, l));
      if (graph.splits_mlps()) mlps_.push_back(mlp_outputs(model, graph, l));
      readers_.push_back(graph.readers({BlockKind::kAttention, l}));
      readers_.push_back(graph.readers({BlockKind::kMlp, l}));
    }
    readers_.push_back({graph.logits(), 1});
  }

  // Of a batch: Σ_t of every edge's squares, [upstream, downstream] float64, and how many tokens they are of, [1].
  std::vector<at::Tensor> sums(const ForwardCache& run, const at::Tensor& rows) const {
    const NodeOutputs outputs =
        scored_outputs(model_, graph_, node_outputs(model_.architecture(), run, mlp_form(graph_)), rows);
    const at::Tensor scale = squared_scales(run, rows);
    at::Tensor sums = at::zeros({graph_.n_upstream(), graph_.n_downstream()}, read_.options());
    // Blocks of writers share no sum: threads take whole ones, with products of their own.
    for_ranges(1 + 2 * graph_.n_layers(), model_.device().is_cpu(), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) add_block(outputs, b, scale, &sums);
    });
    return {sums, at::tensor({static_cast<double>(scale.size(1))}, at::kDouble)};
  }

 private:
  // Nodes whose squares are held at once: [nodes, norms, d_model].
  static constexpr int64_t kNodesAtOnce = 32;

  // rstd² of the norm before each of readers_, [norms, tokens].
  at::Tensor squared_scales(const ForwardCache& run, const at::Tensor& rows) const {
    std::vector<at::Tensor> scales;
    const auto add = [&](const NormStats& stats) {
      scales.push_back(take_rows(stats.rstd, rows).squeeze(1).to(contraction_type(model_)).square());
    };
    for (const LayerCache& layer : run.layers) {
      add(layer.attn_stats);
      add(layer.mlp_stats);
    }
    NormStats last;
    norm_forward(model_.final_norm(), run.x_final, &last);
    add(last);
    return at::stack(scales);
  }

  // Block 0: `input`; then by layer its heads, its MLP.
  NodeRange writers(int64_t block) const {
    if (block == 0) return {0, 1};
    return graph_.writers({block % 2 == 1 ? BlockKind::kAttention : BlockKind::kMlp, (block - 1) / 2});
  }

  // A_u of the block's node i, [tokens, d_model].
  at::Tensor output(const NodeOutputs& outputs, int64_t block, int64_t i) const {
    const at::ScalarType type = contraction_type(model_);
    if (block == 0) return outputs.input.to(type);
    const int64_t l = (block - 1) / 2;
    if (block % 2 == 0 && !graph_.splits_mlps()) return outputs.mlp[l].to(type);
    const at::Tensor& weight = (block % 2 == 1 ? heads_ : mlps_)[l][i];
    const at::Tensor& inner = (block % 2 == 1 ? outputs.z : outputs.mlp)[l];
    return at::mm(inner.narrow(1, i * weight.size(0), weight.size(0)).to(type), weight);
  }

  void add_block(const NodeOutputs& outputs, int64_t block, const at::Tensor& scale, at::Tensor* sums) const {
    const NodeRange nodes = writers(block);
    for (int64_t first = 0; first < nodes.count; first += kNodesAtOnce) {
      const int64_t count = std::min(kNodesAtOnce, nodes.count - first);
      const at::Tensor squares = at::empty({count, scale.size(0), read_.size(1)}, read_.options());
      for (int64_t i = 0; i < count; ++i) {
        squares[i].copy_(at::mm(scale, output(outputs, block, first + i).square()));
      }
      for (size_t n = 0; n < readers_.size(); ++n) {
        const NodeRange& readers = readers_[n];
        if (graph_.visible(readers.first) <= nodes.first) continue;
        const at::Tensor read = read_.narrow(0, readers.first, readers.count);
        sums->narrow(0, nodes.first + first, count)
            .narrow(1, readers.first, readers.count)
            .copy_(at::mm(squares.select(1, static_cast<int64_t>(n)), read.t()));
      }
    }
  }

  const Model& model_;
  const Graph& graph_;
  const at::Tensor read_;           // reader_squares
  std::vector<at::Tensor> heads_;   // head_outputs by layer
  std::vector<at::Tensor> mlps_;    // mlp_outputs by layer; empty: an MLP's output is kept as it is
  std::vector<NodeRange> readers_;  // behind one norm each: by layer attention's, the MLP's; logits last
};

ScoreResult score_wanda(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                        const ScoreSpec& spec, const ProgressCallback& progress) {
  if (examples.empty()) fail("scoring", "there are no examples to score on.");
  const WeightedActivations activations(model, graph);
  ScoreResult result;
  const std::vector<at::Tensor> sums =
      sum_batches(model, examples, spec, progress, &result, [&](const ScoreBatch& batch, ScoreResult* one) {
        const ForwardCache run = forward(model, batch.clean.tokens, Keep::kBackwardAndNodeOutputs);
        one->metric = metric_sum(model, batch.clean, spec.metric, run.x_final, nullptr);
        one->examples = batch.clean.examples;
        return activations.sums(run, batch.scored_rows);
      });
  result.metric /= static_cast<double>(result.examples);
  result.scores = root_scores(graph, sums[0], sums[1].item<double>());
  return result;
}

}  // namespace

Scorer wanda_scorer() {
  return {"wanda",     "size of the weights that read times that of the activations read: a baseline",
          score_wanda, false,
          false,       {1, 1}};
}

}  // namespace circuit
