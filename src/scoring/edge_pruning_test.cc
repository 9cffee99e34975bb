// Learned masks: what they are descended by, and what they leave.
#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "intervention/circuit_run.h"
#include "intervention/masked_run.h"
#include "scoring/gradient_methods.h"
#include "scoring/testing.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

Model pruned_model(const std::string& family) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  return Model::random(tiny_architecture(family, 3), 0.4, 7, wide);
}

std::vector<Example> with_readouts(const Model& model, int64_t count) {
  std::vector<Example> examples = random_examples(model.architecture(), count);
  for (Example& e : examples) {
    e.ids.resize(4);
    e.readouts = {{4, {1}, {2}, ""}};
    e.first_target = 1;
  }
  return examples;
}

ScoreResult pruned(const Model& model, const Graph& graph, const std::vector<Example>& examples,
                   const ScoreSpec& spec) {
  return find_scorer("edge-pruning").score(model, graph, pointers(examples), spec, {});
}

ScoreSpec few_steps() {
  ScoreSpec spec(find_metric("logit_diff"));
  spec.ablation = find_ablation("mean");
  spec.own.set<int64_t>("mask_steps", 120);
  spec.own.set<double>("mask_share", 0.2);
  return spec;
}

// With all edges whole, the slope at a mask is what attribution patching scores.
TEST(EdgePruning, DescendsWhatAttributionPatchingScores) {
  for (const char* family : {"gpt2", "llama", "qwen3", "gpt_neox"}) {
    for (const int64_t block : {0, 7}) {
      const Model model = pruned_model(family);
      const Graph graph(model.architecture(), KeyValueNodes::kGrouped, block);
      const std::vector<Example> examples = with_readouts(model, 5);
      const ScoreSpec spec = few_steps();
      const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
      const NodeOutputs other = ablated_outputs(model, graph, pointers(examples), spec)->of(pointers(examples), batch);
      MaskedRunner runner(model, graph, batch.tokens, other);
      const at::Tensor stream = runner.run(at::ones({graph.n_edges()}, at::kDouble));
      at::Tensor d_final;
      metric_sum(model, batch, spec.metric, stream, &d_final);
      const at::Tensor slopes = runner.gradient(d_final) / 5.0;
      const EdgeScores eap = find_scorer("eap").score(model, graph, pointers(examples), spec, {}).scores;
      for (int64_t e = 0; e < graph.n_edges(); ++e) {
        ASSERT_NEAR(slopes.data_ptr<double>()[e], eap.values[e], 1e-6 * largest(eap)) << family << graph.edge_name(e);
      }
    }
  }
}

TEST(EdgePruning, KeepsWhatTheModelSaysBetterThanChance) {
  for (const char* family : {"gpt2", "llama", "gemma2"}) {
    const Model model = pruned_model(family);
    const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
    const std::vector<Example> examples = with_readouts(model, 6);
    ScoreSpec spec = few_steps();
    const EdgeScores scores = pruned(model, graph, examples, spec).scores;
    spec.metric = find_metric("kl");
    ScoreBatch batch = make_score_batch(model, pointers(examples), spec);
    const NodeOutputs other = ablated_outputs(model, graph, pointers(examples), spec)->of(batch.examples, batch.clean);
    CircuitRunner runner(model, graph, batch.clean.tokens, other);
    std::vector<int64_t> order(graph.n_edges());
    std::iota(order.begin(), order.end(), 0);
    const auto kl_of_first = [&] {
      std::vector<bool> edges(graph.n_edges());
      for (int64_t i = 0; i < graph.n_edges() / 5; ++i) edges[order[i]] = true;
      return -metric_sum(model, batch.clean, spec.metric, runner.run(edges), nullptr);
    };
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores.values[a] > scores.values[b]; });
    const double learned = kl_of_first();
    Rng rng(11);
    constexpr int kDraws = 10;
    double sum = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      order = permutation(graph.n_edges(), rng);
      const double drawn = kl_of_first();
      EXPECT_LT(learned, drawn) << family;
      sum += drawn;
    }
    EXPECT_LT(learned, 0.4 * sum / kDraws) << family;
  }
}

// What a node cannot say is given up first.
TEST(EdgePruning, GivesUpWhatDoesNothing) {
  Model model = pruned_model("gpt2");
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const TensorRef& w_o = model.layout().layers[1].w_o;
  model.writable(w_o.tensor).narrow(w_o.unit_dim, w_o.first + 2 * w_o.stride, w_o.unit).zero_();
  const EdgeScores scores = pruned(model, graph, with_readouts(model, 6), few_steps()).scores;
  std::vector<float> sorted = scores.values;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    if (graph.head(1, 2) >= graph.visible(v)) continue;
    EXPECT_LT(scores.values[graph.edge_id(graph.head(1, 2), v)], sorted[sorted.size() / 2]) << graph.downstream_name(v);
  }
}

TEST(EdgePruning, IsTheSameInBatchesOfOtherSizesAndKeepsTheShare) {
  const Model model = pruned_model("llama");
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const std::vector<Example> examples = with_readouts(model, 7);
  ScoreSpec spec = few_steps();
  spec.own.set<int64_t>("mask_records", 5);
  const EdgeScores once = pruned(model, graph, examples, spec).scores;
  EXPECT_EQ(once.values, pruned(model, graph, examples, spec).scores.values);
  spec.batch = 2;
  EXPECT_LT(largest_difference(once, pruned(model, graph, examples, spec).scores), 1e-5);
  const double kept =
      std::accumulate(once.values.begin(), once.values.end(), 0.0) / static_cast<double>(once.values.size());
  EXPECT_NEAR(kept, 0.2, 0.1);
  spec.seed = 1;
  EXPECT_GT(largest_difference(once, pruned(model, graph, examples, spec).scores), 1e-3);
}

TEST(EdgePruning, RefusesWhatHasNoMask) {
  const Model model = pruned_model("llama");
  const std::vector<Example> examples = with_readouts(model, 2);
  const Graph ungrouped(model.architecture(), KeyValueNodes::kUngrouped);
  EXPECT_THROW(pruned(model, ungrouped, examples, few_steps()), Error);
  ScoreSpec spec = few_steps();
  spec.positions = Positions::kReadout;
  EXPECT_THROW(pruned(model, Graph(model.architecture(), KeyValueNodes::kGrouped), examples, spec), Error);
}

}  // namespace
}  // namespace circuit
