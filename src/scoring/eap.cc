// eap: edge attribution patching (Syed, Rager, Conmy 2023, arXiv 2310.10348): the gradient at the clean input.
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

// The mean over the scored examples themselves needs no pass of its own.
bool takes_own_mean(const ScoreSpec& spec) {
  return spec.ablation == Ablation::kMean && spec.ablation_reference == nullptr;
}

class Eap {
 public:
  Eap(const Model& model, const Graph& graph, const std::vector<const Example*>& examples, const ScoreSpec& spec)
      : model_(model),
        spec_(spec),
        scores_(model, graph, takes_own_mean(spec) ? Subtract::kMean : Subtract::kNothing, spec.tile_tokens) {
    if (!takes_own_mean(spec)) ablated_ = ablated_outputs(model, examples, spec);
  }

  // What the forward must work at the last layer.
  ReadRows reads(const ScoreBatch& batch) const { return {batch.read_rows, takes_own_mean(spec_)}; }

  void add(const ScoreBatch& batch, ForwardCache& run) {
    at::Tensor d_final;
    result_.metric += metric_sum(model_, batch.clean, spec_.metric, run.x_final, &d_final);
    result_.examples += batch.clean.examples;
    NodeOutputs outputs = node_outputs(run);
    if (ablated_) outputs = difference(outputs, ablated_->of(batch.examples, batch.clean, {batch.read_rows}));
    scores_.add(batch.clean.tokens, run, d_final, std::move(outputs), batch.scored_rows, CacheUse::kRelease);
  }

  ScoreResult finish() {
    result_.scores = scores_.finish(result_.examples, &result_.sum_rule_error);
    result_.metric /= static_cast<double>(result_.examples);
    return result_;
  }

 private:
  const Model& model_;
  const ScoreSpec& spec_;
  EdgeAccumulator scores_;
  std::unique_ptr<AblatedOutputs> ablated_;
  ScoreResult result_;
};

ScoreResult score(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                  const ScoreSpec& spec, const ProgressCallback& progress) {
  Eap eap(model, graph, examples, spec);
  for_batches(model, examples, spec, progress, [&](const ScoreBatch& batch) {
    ForwardCache run = forward(model, batch.clean.tokens, Keep::kBackwardAndNodeOutputs, eap.reads(batch));
    eap.add(batch, run);
  });
  return eap.finish();
}

ScoreResult score_run(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                      const ExampleBatch& batch, ForwardCache run, const ScoreSpec& spec) {
  Eap eap(model, graph, examples, spec);
  const ScoreBatch whole{examples, batch, rows_read(spec.metric, batch), scored_rows(batch, spec.positions)};
  run.read_rows = whole.read_rows;
  eap.add(whole, run);
  return eap.finish();
}

}  // namespace

Scorer eap_scorer() { return {"eap", "edge attribution patching: gradient at the clean input", score, false, score_run}; }

}  // namespace circuit
