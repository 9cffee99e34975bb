// eap: edge attribution patching (Syed, Rager, Conmy 2023, arXiv 2310.10348): the gradient at the clean input.
// relp: the same with relevance coefficients in place of the gradient (Jafari et al. 2025, arXiv 2508.21258).
// gim: the same with gradient interaction modifications (Edin et al. 2025, arXiv 2505.17630).
#include "core/error.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

// The mean over the scored examples themselves needs no pass of its own.
bool takes_own_mean(const Model& model, const ScoreSpec& spec) {
  return !model.norms_outputs() && spec.ablation->mean_over_tokens && spec.ablation_reference == nullptr &&
         !spec.ablated && spec.spans.empty();
}

class Attribution {
 public:
  Attribution(Rule rule, const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
              const ScoreSpec& spec)
      : model_(model),
        spec_(spec),
        rule_(rule),
        form_(mlp_form(graph)),
        scores_(
            model, graph,
            {takes_own_mean(model, spec) ? Subtract::kMean : Subtract::kNothing, rule, spec.tile_tokens, spec.spans}) {
    if (spec.metric.flat_at_clean) {
      fail("scoring",
           "metric {} has a gradient of zero at the clean input, where this method takes it. Use "
           "another one, such as eap-ig-inputs.",
           spec.metric.name);
    }
    if (!takes_own_mean(model, spec)) ablated_ = ablated_outputs(model, graph, examples, spec);
  }

  // What the forward must work at the last layer.
  ReadRows reads(const ScoreBatch& batch) const { return {batch.read_rows, takes_own_mean(model_, spec_)}; }

  void add(const ScoreBatch& batch, ForwardCache& run, ScoreResult* result) {
    NodeOutputs ablated;
    if (ablated_) ablated = ablated_->of(batch.examples, batch.clean, {batch.read_rows});
    at::Tensor d_final;
    add_metric(model_, batch, spec_.metric, run.x_final, ablated, rule_, &d_final, result);
    NodeOutputs outputs = node_outputs(model_.architecture(), run, form_);
    release_node_outputs(&run);
    if (ablated_) outputs = difference(std::move(outputs), std::move(ablated));
    ScoredPart part = part_of(batch);
    part.witness = spec_.witness;
    scores_.add(batch.clean.tokens, run, d_final, std::move(outputs), part);
  }

  EdgeAccumulator& scores() { return scores_; }

 private:
  const Model& model_;
  const ScoreSpec& spec_;
  Rule rule_;
  MlpForm form_;
  EdgeAccumulator scores_;
  std::shared_ptr<const AblatedOutputs> ablated_;
};

ScoreResult attribute(Rule rule, const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                      const ScoreSpec& spec, const ProgressCallback& progress) {
  Attribution attribution(rule, model, graph, examples, spec);
  ScoreResult result;
  sum_batches(
      model, examples, spec, progress, &attribution.scores(), &result, [&](const ScoreBatch& batch, ScoreResult* one) {
        ForwardCache run = forward(model, batch.clean.tokens, Keep::kBackwardAndNodeOutputs, attribution.reads(batch));
        attribution.add(batch, run, one);
      });
  finish(attribution.scores(), spec, &result);
  return result;
}

ScoreResult score_eap(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                      const ScoreSpec& spec, const ProgressCallback& progress) {
  return attribute(Rule::kGradient, model, graph, examples, spec, progress);
}

ScoreResult score_relevance(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                            const ScoreSpec& spec, const ProgressCallback& progress) {
  return attribute(Rule::kRelevance, model, graph, examples, spec, progress);
}

ScoreResult score_interaction(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                              const ScoreSpec& spec, const ProgressCallback& progress) {
  return attribute(Rule::kInteraction, model, graph, examples, spec, progress);
}

ScoreResult score_run(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                      const ExampleBatch& batch, ForwardCache run, const ScoreSpec& spec) {
  Attribution attribution(Rule::kGradient, model, graph, examples, spec);
  ScoreBatch whole;
  whole.examples = examples;
  whole.clean = batch;
  whole.read_rows = rows_read(spec.metric, batch);
  whole.scored_rows = scored_rows(batch, spec.positions);
  run.read_rows = whole.read_rows;
  ScoreResult result;
  attribution.add(whole, run, &result);
  finish(attribution.scores(), spec, &result);
  return result;
}

}  // namespace

Scorer eap_scorer() {
  return {"eap", "edge attribution patching: gradient at the clean input", score_eap, false, true, {1, 1}, score_run};
}

Scorer relp_scorer() {
  return {"relp",
          "relevance patching: coefficients of relevance propagation for gradients; nothing for q and k",
          score_relevance,
          false,
          true,
          {1, 1}};
}

Scorer gim_scorer() {
  return {"gim",
          "gradient interaction modifications: norms held, soft-max warmer, queries, keys and values in parts",
          score_interaction,
          false,
          true,
          {1, 1}};
}

}  // namespace circuit
