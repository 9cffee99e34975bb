#include "scoring/channels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "model/rows.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

class ChannelSums : public BackwardVisitor {
 public:
  ChannelSums(const Model& model, const NodeOutputs& outputs, const at::Tensor& rows, const at::Tensor& sums)
      : model_(model), outputs_(outputs), rows_(rows), sums_(sums) {}
  void on_mlp(const MlpBackward& g) override {
    at::Tensor h = outputs_.mlp[g.layer];
    at::Tensor d = put_rows(g.channels.d_hidden, g.rows, g.d_stream.size(0));
    const LayerWeights& w = model_.layers()[g.layer];
    if (w.mlp_post_norm.defined()) {
      // At the scale that the post-norm had, which is held (method.md §1).
      const at::Tensor gradient = g.d_stream * norm_scale(w.mlp_post_norm) * outputs_.mlp_scale[g.layer];
      d = at::mm(gradient.to(h.scalar_type()),
                 output_blocks(w, w.experts.empty() ? 1 : static_cast<int64_t>(w.experts.size())).flatten(0, 1).t()) *
          model_.architecture().layer(g.layer).residual;
    }
    at::Tensor of_layer = sums_[g.layer].narrow(0, 0, h.size(1));
    of_layer.add_(take_rows(h * d, rows_).sum(0).to(at::kDouble));
  }
  void on_attention(const AttentionBackward&) override {}
  void on_embedding(const at::Tensor&) override {}

 private:
  const Model& model_;
  const NodeOutputs& outputs_;
  const at::Tensor& rows_;
  const at::Tensor& sums_;
};

}  // namespace

ChannelScores score_channels(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                             const ProgressCallback& progress) {
  if (examples.empty()) fail("scoring", "there are no examples to score on.");
  const Architecture& a = model.architecture();
  const auto& reference = spec.ablation_reference == nullptr ? examples : *spec.ablation_reference;
  const auto ablated = spec.ablation->prepare(model, reference, spec.batch, MlpForm::kChannels);
  int64_t widest = 0;
  for (int64_t l = 0; l < a.n_layers; ++l) widest = std::max(widest, a.mlp_channels(l));
  const auto add = [&](const ScoreBatch& batch, ScoreResult* one) {
    const at::Tensor of_batch = at::zeros({a.n_layers, widest}, model.embedding().options().dtype(at::kDouble));
    ForwardCache run = forward(model, batch.clean.tokens, Keep::kBackwardAndNodeOutputs, {batch.read_rows});
    NodeOutputs without = ablated->of(batch.examples, batch.clean, {batch.read_rows});
    at::Tensor d_final;
    add_metric(model, batch, spec.metric, run.x_final, without, Rule::kGradient, &d_final, one);
    const NodeOutputs outputs = difference(node_outputs(a, run, MlpForm::kChannels), std::move(without));
    ChannelSums visitor(model, outputs, batch.scored_rows, of_batch);
    backward(model, batch.clean.tokens, run, d_final, KeyValueGradients::kGrouped, CacheUse::kRelease, visitor);
    return std::vector<at::Tensor>{of_batch};
  };
  ScoreResult result;
  at::Tensor sums = sum_batches(model, examples, spec, progress, &result, add)[0];
  const auto n = static_cast<double>(result.examples);
  sums = (sums / n).to(at::kCPU).contiguous();
  ChannelScores scores{a.n_layers, widest, {}, result.metric / n};
  const auto* s = sums.data_ptr<double>();
  for (int64_t i = 0; i < sums.numel(); ++i) {
    if (!std::isfinite(s[i]))
      fail("scoring", "the score of channel {} of layer {} is not finite.", i % widest, i / widest);
    scores.values.push_back(static_cast<float>(s[i]));
  }
  return scores;
}

}  // namespace circuit
